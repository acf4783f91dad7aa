"""The compiled pipeline: what the backend gets to see."""

import json

import pytest
import yaml
from google.protobuf import json_format

from components.settings import SettingsError
from pipeline.config.task_files import list_tasks, load_task
from pipeline.families import find_family
from pipeline.kubeflow.graph import step_name
from pipeline.kubeflow.settings import KubeflowSettings
from tests.pipeline.kubeflow.argo import Attempt, Stop, decide
from tests.pipeline.kubeflow.backend import accept
from tests.pipeline.kubeflow.pod import run_in_pod, why_not_confined

GPU = {
    "accelerator": "nvidia.com/gpu",
    "accelerator_count": 2,
    "node_selector": ("cloud.google.com/gke-accelerator=nvidia-l4",),
}


@pytest.fixture(scope="module")
def accepted(compiled):
    return accept(compiled(resources=("trainer:8:16Gi",), accelerated_image="registry/charseq:0.1.0-gpu", **GPU))


def constants(accepted, step):
    parameters = accepted.tasks[step].inputs.parameters
    return {name: json_format.MessageToDict(p.runtime_value.constant) for name, p in parameters.items()}


@pytest.mark.parametrize("task", list_tasks())
def test_the_backend_takes_every_task(compiled, task):
    try:
        config = load_task(task)
        find_family(config.family).settle(config)
    except SettingsError as error:
        pytest.skip(f"the task needs data that is not here: {error}")
    accepted = accept(compiled(task))
    assert accepted.spec.pipeline_info.name == task
    assert {"baseline", "trainer", "evaluator", "pusher"} <= set(accepted.tasks)


def test_it_is_the_graph_that_runs_locally(accepted):
    from pipeline.create_pipeline import create_pipeline
    from pipeline.places import Places

    local = {
        step_name(component.id): component
        for component in create_pipeline(load_task("sums"), Places("/nowhere")).components
    }
    assert set(accepted.tasks) == set(local)
    for step, component in local.items():
        assert accepted.needs(step) == {step_name(node.id) for node in component.upstream_nodes}


def test_the_image_has_no_tools_for_browsers(compiled):
    from pipeline.kubeflow.compile import compile_pipeline

    with pytest.raises(SettingsError, match=r"browser.export: the image has no TensorFlow.js"):
        compile_pipeline("sums", ["browser.export=true"], KubeflowSettings(image="registry/charseq:0.1.0"))


@pytest.mark.parametrize(
    ("component", "step"),
    [
        ("SumsExampleGen", "sums-example-gen"),
        ("Pusher", "pusher"),
        ("Trainer.text", "trainer-text"),
        ("TFLite", "tf-lite"),
    ],
)
def test_steps_have_names_that_kubernetes_takes(component, step):
    assert step_name(component) == step


def test_the_accelerator_goes_to_the_trainer_alone_under_its_name_in_kubernetes(accepted):
    for step in accepted.tasks:
        accelerator = accepted.container(step).resources.accelerator
        assert ("accelerator_type" in accelerator.resource_type) == (step == "trainer")
        assert accepted.container(step).image == (
            "registry/charseq:0.1.0-gpu" if step == "trainer" else "charseq:0.1.0"
        )
    parameters = accepted.spec.root.input_definitions.parameters
    defaults = {name: json_format.MessageToDict(p.default_value) for name, p in parameters.items()}
    assert defaults == {
        "settings": "",
        "accelerator_type": "nvidia.com/gpu",
        "accelerator_count": "2",
        "node_selector": {"cloud.google.com/gke-accelerator": "nvidia-l4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    }
    config = accepted.platform["trainer_executor"]
    assert config.node_selector.node_selector_json.component_input_parameter == "node_selector"
    assert [t.toleration_json.component_input_parameter for t in config.tolerations] == ["tolerations"]


def test_a_tuner_gets_what_the_trainer_gets(compiled):
    accepted = accept(compiled(assignments=("tune.trials=2",), **GPU))
    for step in ("tuner", "trainer"):
        assert "accelerator_type" in accepted.container(step).resources.accelerator.resource_type
        assert accepted.container(step).resources.resource_cpu_limit == "4"
        assert accepted.platform[f"{step}_executor"].tolerations


def test_cpu_and_memory_of_each_step(accepted):
    resources = accepted.container("trainer").resources
    assert (resources.resource_cpu_limit, resources.resource_memory_limit) == ("8", "16Gi")
    assert (resources.resource_cpu_request, resources.resource_memory_request) == ("8", "16Gi")
    assert accepted.container("evaluator").resources.resource_memory_limit == "4Gi"


def test_retries_and_caching_and_the_baseline_is_never_cached(accepted, compiled):
    for step, task in accepted.tasks.items():
        assert task.retry_policy.max_retry_count == 2
        assert task.caching_options.enable_cache == (step != "baseline")
    uncached = accept(compiled(uncached=("baseline", "pusher"), retries=0))
    assert {s for s, t in uncached.tasks.items() if not t.caching_options.enable_cache} == {"baseline", "pusher"}
    assert not any(task.HasField("retry_policy") for task in uncached.tasks.values())
    assert not any(t.caching_options.enable_cache for t in accept(compiled(cache=False)).tasks.values())


def test_a_training_of_hours_that_fails_late_is_tried_again_and_may_end(compiled):
    policy = accept(compiled()).tasks["trainer"].retry_policy
    hour = 3600.0
    again = decide(policy, [Attempt(0, 20 * hour)])
    assert (again.at, again.deadline) == (20 * hour + 30, 7 * 24 * hour)
    assert decide(policy, [Attempt(0, 20 * hour), Attempt(again.at, 40 * hour)]).at == 40 * hour + 60
    assert decide(policy, [Attempt(0, 1)] * 3) == Stop("No more retries left")


def test_every_step_is_a_user_other_than_root_with_a_tmp_of_its_own(accepted, compiled):
    for step in accepted.tasks:
        config = accepted.platform[f"{step}_executor"]
        security = config.security_context
        assert (security.run_as_user, security.run_as_group, security.run_as_non_root) == (1000, 1000, True)
        assert [mount.mount_path for mount in config.empty_dir_mounts] == ["/tmp"]
    older = accept(compiled(run_as_user=None))
    assert not any(config.HasField("security_context") for config in older.platform.values())


def test_nothing_is_made_on_the_machine_that_compiles(compiled, tmp_path):
    compiled(mount=str(tmp_path / "charseq"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
@pytest.mark.skipif(bool(why_not_confined()), reason=why_not_confined() or "-")
def test_an_ordinary_user_compiles(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    command = [
        "python",
        "-c",
        "from pipeline.cli import main; main()",
        "kubeflow",
        "compile",
        "-o",
        "/out/sums.yaml",
        "sums",
    ]
    completed = run_in_pod(command, tmp_path, {"/out": tmp_path / "out", "/tmp": tmp_path / "out"})
    assert completed.returncode == 0, completed.stdout
    assert accept((tmp_path / "out" / "sums.yaml").read_text()).order


def test_what_is_found_by_looking_at_the_data_is_in_it_as_in_a_local_run(compiled, tmp_path):
    from pipeline.kubeflow.graph import places_of
    from pipeline.kubeflow.rebuild import rebuild_parameters

    (tmp_path / "pairs.tsv").write_text("".join(f"{word}\t{' '.join(word)}\n" for word in ("one", "two", "three") * 30))
    files = f"data.files={tmp_path}/pairs.tsv"
    accepted = accept(compiled("pairs", (files,)))
    for step in ("transform", "trainer"):
        compiled_in = json.loads(constants(accepted, step)["custom_config"])
        rebuilt = rebuild_parameters(step, "pairs", places_of("/charseq", "/charseq/serving"), files)
        assert compiled_in["target_separator"] == " ", "the answers are in tokens already"
        assert json.loads(rebuilt["custom_config"].string_value) == compiled_in


@pytest.mark.parametrize("path", ["words.tsv", "../words/*.tsv", "~/words.tsv"])
def test_data_at_a_path_that_no_step_has_is_refused(compiled, tmp_path, monkeypatch, path):
    (tmp_path / "words").mkdir()
    rows = "".join(f"{word}{row}\t{word}\n" for row, word in enumerate(("one", "two", "three") * 30))
    for folder in (tmp_path, tmp_path / "words"):
        (folder / "words.tsv").write_text(rows)
    monkeypatch.chdir(tmp_path / "words")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "words" / "mine.toml").write_text(f'family = "pairs"\n[data]\nfiles = "{path}"\n')
    with pytest.raises(
        SettingsError, match=r"data\.files is .*; give the path that the data has in every step, such as /charseq/"
    ):
        compiled("mine.toml")


def test_a_name_with_capitals_is_refused_with_one_that_kubeflow_takes(compiled, tmp_path):
    (tmp_path / "Words.toml").write_text('extends = "sums"\n')
    with pytest.raises(SettingsError, match="name is 'Words'; .*name = 'words'"):
        compiled(str(tmp_path / "Words.toml"))


def test_the_volume_is_mounted_in_every_step(accepted, compiled):
    mounted = {label for label, config in accepted.platform.items() if config.pvc_mount}
    assert mounted == {f"{step}_executor" for step in accepted.tasks}, "a run's settings may name a file in it"
    (mount,) = accepted.platform["pusher_executor"].pvc_mount
    assert (mount.mount_path, mount.constant) == ("/charseq", "charseq")
    assert constants(accepted, "pusher")["model_dir"] == "/charseq/serving/sums"
    bucket = accept(compiled(claim="", serving_dir="gs://bucket/serving"))
    assert not any(config.pvc_mount for config in bucket.platform.values())
    assert constants(bucket, "baseline")["model_dir"] == "gs://bucket/serving/sums"


def test_nothing_of_this_machine_is_in_it(compiled):
    from tests.pipeline.kubeflow.pod import CHECKOUT

    text = compiled()
    assert str(CHECKOUT) not in text
    assert "/app/pipeline/families/sums/schema.pbtxt" in text
    assert constants(accept(text), "infra-validator")["server_command"] == '["python", "-m", "serving"]'


def test_changed_settings_leave_the_steps_they_do_not_concern_in_the_cache(compiled):
    before, after = (accept(compiled(assignments=assignments)) for assignments in ((), ("train.epochs=3",)))
    changed = {step for step in before.tasks if constants(before, step) != constants(after, step)}
    changed |= {step for step in before.tasks if before.container(step) != after.container(step)}
    assert changed == {"trainer"}


def test_the_pipeline_root_is_in_it_if_it_is_set(compiled):
    assert accept(compiled(pipeline_root="s3://bucket/charseq")).spec.default_pipeline_root == "s3://bucket/charseq"
    assert "defaultPipelineRoot" not in next(yaml.safe_load_all(compiled()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image": "charseq"}, "needs a tag that never moves"),
        ({"image": "registry:5000/charseq:latest"}, "needs a tag that never moves"),
        ({"accelerated_image": "charseq:latest"}, "kubeflow.accelerated_image"),
        ({"cpu": "two"}, "kubeflow.cpu is 'two'; it is a quantity"),
        ({"resources": ("trainer:4",)}, "'trainer:4' is not step:cpu:memory"),
        ({"accelerator": "NVIDIA_TESLA_T4"}, "the resource's name in Kubernetes, such as nvidia.com/gpu"),
        ({"accelerator_count": 0}, "it must be at least 1"),
        ({"node_selector": ("gpu",)}, "'gpu' is not label=value"),
        ({"tolerations": ("nvidia.com/gpu:Never",)}, "is not key:effect or key=value:effect"),
        ({"retries": -1}, "must not be negative"),
        ({"run_as_user": 0}, "kubeflow.run_as_user is 0; it must be at least 1, because 0 is root"),
        ({"uncached": ()}, "must name baseline"),
        ({"claim": "My_Claim"}, "names of Kubernetes objects"),
        ({"claim": ""}, "models would be pushed into a pod that goes away"),
        ({"mount": "charseq"}, "it is an absolute path"),
        ({"pipeline_root": "/artifacts"}, "launcher copies artifacts from and to gs://, s3:// and minio://"),
        ({"serving_dir": "s3://bucket/serving"}, "mount another through the claim of its CSI driver"),
    ],
)
def test_a_setting_that_cannot_be_used_says_why(settings, said):
    with pytest.raises(SettingsError, match=said.replace(".", r"\.")):
        KubeflowSettings(**settings)


@pytest.mark.parametrize(
    "image", ["charseq:0.1.0", "registry:5000/team/charseq:0.1.0-gpu", "charseq@sha256:" + "0" * 64]
)
def test_images_with_a_tag_or_a_digest_are_taken(image):
    assert KubeflowSettings(image=image).image == image


def test_tolerations_with_a_value():
    settings = KubeflowSettings(tolerations=("dedicated=training:NoExecute",))
    assert settings.accelerator_tolerations == [
        {"key": "dedicated", "operator": "Equal", "value": "training", "effect": "NoExecute"}
    ]
    assert KubeflowSettings().accelerator_tolerations == []


def test_resources_of_a_step_that_is_not_there(compiled):
    with pytest.raises(SettingsError, match="there is no step 'trainr'; there are "):
        compiled(resources=("trainr:1:1Gi",))


FLINK = ("beam.runner=flink", "beam.job_server=charseq-beam:8099")


def test_beam_jobs_of_the_steps_named_go_to_flink_with_files_in_the_volume(compiled):
    accepted = accept(compiled(assignments=(*FLINK, "beam.temp_location=/charseq/beam")))
    for step in accepted.tasks:
        there = step in ("sums-example-gen", "transform")
        if step != "schema-gen" and step != "import-schema-gen":
            args = list(accepted.container(step).args)
            assert ("--job_endpoint=charseq-beam:8099" in args) == there, step
            assert ("--temp_location=/charseq/beam" in args) == there, step
        if there:
            (mount,) = accepted.platform[f"{step}_executor"].pvc_mount
            assert mount.mount_path == "/charseq"


def test_artifacts_in_a_steps_own_pod_are_no_good_to_flink(compiled):
    with pytest.raises(SettingsError, match=r"needs beam\.temp_location, .* such as /charseq/beam in the volume"):
        compiled(assignments=FLINK)
