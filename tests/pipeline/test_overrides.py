"""What the dependency overrides of pyproject.toml could break: packages built for other versions of each other.

When these pass without an override, it can go.
"""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from pipeline.lineage import Lineage, NoSuchRunError

OVERRIDES = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["uv"]["override-dependencies"]


def test_every_override_is_installed_as_it_says():
    from packaging.requirements import Requirement

    for override in map(Requirement, OVERRIDES):
        assert override.specifier.contains(version(override.name)), override


def test_tfdv_and_tfx_bsl_hand_each_other_arrow_tables_and_protobufs(tmp_path):
    import pandas as pd

    from components.tfx_libraries import tfdv

    statistics = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "x"]}))
    schema = tfdv.infer_schema(statistics)
    tfdv.write_schema_text(schema, str(tmp_path / "schema.pbtxt"))
    assert tfdv.load_schema_text(str(tmp_path / "schema.pbtxt")) == schema
    drifted = tfdv.generate_statistics_from_dataframe(pd.DataFrame({"a": [1.5], "b": ["z"]}))
    assert set(tfdv.validate_statistics(drifted, schema).anomaly_info) == {"a", "b"}


@pytest.mark.e2e
def test_ml_metadata_has_the_lineage_of_a_run(first_run, place):
    records = Lineage(str(place / "metadata.sqlite")).find(first_run.json["run_id"]).components
    assert set(records) == set(first_run.json["seconds"])
    assert records["Pusher"].outputs["pushed_model"].properties["pushed_version"] == str(
        first_run.json["pushed_version"]
    )
    assert Path(records["Transform"].outputs["transform_graph"].uri).is_dir()
    assert {record.state for record in records.values()} == {"done"}


@pytest.mark.e2e
def test_an_unknown_run_is_an_error_that_names_it(first_run, place):
    with pytest.raises(NoSuchRunError, match="yesterday"):
        Lineage(str(place / "metadata.sqlite")).find("yesterday")
