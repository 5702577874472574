"""What is told again of a conversation: heard words, and tools in words."""

from hypothesis import given
from hypothesis import strategies as st

from bidilab.bidi.providers.history import History, Utterance, block_text, call_in_words

WORDS = st.lists(st.text("abc", min_size=1, max_size=5), max_size=8)


def test_of_an_utterance_the_share_that_was_heard_is_told_or_what_the_service_says():
    said = Utterance(role="assistant", text="one two three four", heard=0.5)
    assert said.heard_text == "one two"
    said.spoken = "one two thr"
    assert said.heard_text == "one two thr"


@given(WORDS, st.floats(0, 1))
def test_heard_words_are_the_first_ones_and_never_more_than_the_share(words, heard):
    told = Utterance(role="assistant", text=" ".join(words), heard=heard).heard_text.split()
    assert told == words[: len(told)]
    assert len(told) <= heard * len(words)


def test_what_was_not_heard_has_no_words_or_is_said_anew_is_left_out():
    history = History()
    history.add("user", "Count.")
    history.add("assistant", "One.").heard = 0.0
    history.add("assistant", " ")
    last = history.add("user", "And?")
    assert history.told() == [("user", "Count."), ("user", "And?")]
    assert history.told(without=[last]) == [("user", "Count.")]
    assert len(history) == 4


def test_two_utterances_of_the_same_words_are_two():
    history = History()
    first, _ = history.add("user", "Yes."), history.add("user", "Yes.")
    assert history.told(without=[first]) == [("user", "Yes.")]


def test_a_failure_and_a_call_or_a_result_alone():
    use = {"toolUseId": "c", "name": "look", "input": {}}
    failed = {"toolUseId": "c", "status": "error", "content": [{"text": "no"}, {"json": {"code": 7}}]}
    assert call_in_words(use, failed) == 'The tool look was called with {}. It failed: no\n{"code": 7}'
    assert call_in_words(None, failed) == 'A tool failed: no\n{"code": 7}'
    assert call_in_words(use, None) == "The tool look was called with {}. It has not answered."


def test_bytes_are_counted_and_not_told():
    assert block_text({"image": {"source": {"bytes": b"12345"}}}) == '{"image": {"source": {"bytes": "<5 bytes>"}}}'
