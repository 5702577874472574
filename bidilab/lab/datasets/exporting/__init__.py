"""A dataset in the words of others: RTTM, SegLST, lhotse's manifests, Hugging Face `datasets`."""
