"""The recipes of `docs/ways-out.md` run, MLflow's into its file store."""

import re

import pandas as pd
import pytest

import bidilab as bl
from tests.conftest import ROOT

pytestmark = pytest.mark.exports


@pytest.mark.slow
def test_mlflow_keeps_the_recommended_setting_and_its_rates(tmp_path, monkeypatch, shared_cache):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIDILAB_CACHE_DIR", str(shared_cache))
    monkeypatch.setenv(
        "MLFLOW_ALLOW_FILE_STORE", "true"
    )  # in maintenance mode since MLflow 3.7, and enough for one user
    mlflow.set_tracking_uri(f"file:{tmp_path / 'mlruns'}")
    page = (ROOT / "docs" / "ways-out.md").read_text()
    (recipe,) = re.findall(r"```python\n(import mlflow\n.*?)```", page, re.DOTALL)
    names = {"bl": bl, "dataset": bl.load_dataset(ROOT / "datasets" / "overlap-mini")}
    exec(compile(recipe, "ways-out.md", "exec"), names)
    (run,) = mlflow.search_runs().to_dict("records")
    chosen: pd.Series = names["chosen"]
    assert run["params.threshold"] == str(chosen["threshold"])
    assert run["metrics.missed_rate"] == pytest.approx(chosen["missed_rate"])
    assert run["metrics.missed_rate_hi"] == pytest.approx(chosen["missed_rate_hi"])
    assert run["tags.dataset_sha256"] == names["dataset"].sha256
    kept = next(path for path in (tmp_path / "mlruns").rglob("sweep") if path.is_dir())
    assert len(bl.SweepResult.load(kept).settings) == len(names["result"].settings)
