"""The pipeline in one function: its components and outputs have the names by which the readers of a run look for them."""

from components import names
from pipeline.config.overrides import override
from pipeline.config.task_files import load_task
from pipeline.create_pipeline import create_pipeline
from pipeline.places import Places


def test_components_have_the_names_that_readers_of_a_run_know():
    config = override(load_task("sums"), ["tune.trials=1", "browser.export=true"])
    components = {component.id: component for component in create_pipeline(config, Places("/nowhere")).components}
    known = {
        value for name, value in vars(names).items() if name.isupper() and not name.endswith(("_KEY", "_PROPERTY"))
    }
    assert known - set(components) == set()
    assert set(components) - known == {"SumsExampleGen", "ImportSchemaGen"}
    assert names.BROWSER_MODEL_KEY in components[names.BROWSER_MODEL].outputs
    assert "model_run" in components[names.TRAINER].outputs
    assert "best_hyperparameters" in components[names.TUNER].outputs
