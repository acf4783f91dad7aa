"""Labels: what may be assigned, and which version answers while another is being loaded."""

import pytest

from serving.contract.errors import Code, ServingError
from serving.server.models.labels import Labels


def loaded(*versions: int):
    """Says which versions of the model `m` are loaded."""
    return lambda model, version: model == "m" and version in versions


@pytest.fixture
def labels() -> Labels:
    """`stable` is version 1 of `m`."""
    labels = Labels()
    labels.assign({"m": {"stable": 1}})
    return labels


def test_a_label_stands_for_its_version(labels):
    assert labels.versions("m", "stable") == (1,)
    assert labels.names("m") == ("stable",)


def test_names_are_sorted_and_of_one_model(labels):
    labels.assign({"m": {"stable": 1, "canary": 2, "a": 3}, "other": {"z": 1}})
    assert labels.names("m") == ("a", "canary", "stable")
    assert labels.names("nobody") == ()


@pytest.mark.parametrize(("model", "label"), [("m", "canary"), ("other", "stable")])
def test_a_label_that_is_not_there_is_an_invalid_argument(labels, model, label):
    with pytest.raises(ServingError) as raised:
        labels.versions(model, label)
    assert raised.value.code == Code.INVALID_ARGUMENT
    assert raised.value.message == f"Unrecognized servable version label: {label}"


def test_labels_that_are_not_assigned_again_are_gone(labels):
    labels.assign({"m": {"canary": 2}})
    assert labels.names("m") == ("canary",)
    assert labels.versions("m", "canary") == (2,)


@pytest.mark.parametrize(
    ("label", "version", "allow", "allowed"),
    [
        ("stable", 2, False, True),  # loaded
        ("stable", 3, False, False),
        ("stable", 3, True, False),  # it is in use for another version
        ("stable", 1, True, True),  # as before, whatever became of the version
        ("stable", 1, False, False),
        ("canary", 3, True, True),  # it is new
        ("canary", 3, False, False),
        ("canary", 2, False, True),
    ],
)
def test_what_may_be_assigned(labels, label, version, allow, allowed):
    def check():
        labels.check({"m": {label: version}}, loaded(2), allow_unavailable=allow)

    if allowed:
        check()
        return
    with pytest.raises(ServingError) as raised:
        check()
    assert raised.value.code == Code.FAILED_PRECONDITION
    assert raised.value.message == (
        f"Request to assign label to version {version} of model m, which is not currently available for inference"
    )
    assert labels.versions("m", "stable") == (1,), "nothing changes"


def test_a_label_of_another_model_is_a_new_one(labels):
    labels.check({"other": {"stable": 7}}, loaded(), allow_unavailable=True)


def test_a_label_that_moves_stands_for_its_old_version_until_the_new_one_is_loaded(labels):
    wanted = {"m": {"stable": 2, "canary": 3}}
    labels.assign_when_available(wanted, loaded(1))
    assert labels.versions("m", "stable") == (2, 1)
    assert labels.versions("m", "canary") == (3,), "nothing stands in for a label that is new"
    labels.assign_when_available(wanted, loaded(1))
    assert labels.versions("m", "stable") == (2, 1), "the one that stands in goes on doing so"
    labels.assign_when_available(wanted, loaded(1, 2))
    assert labels.versions("m", "stable") == (2,)


def test_a_version_that_is_unloaded_stands_in_for_nothing(labels):
    labels.assign_when_available({"m": {"stable": 2}}, loaded())
    assert labels.versions("m", "stable") == (2,)


def test_a_label_that_does_not_move_has_one_version(labels):
    labels.assign_when_available({"m": {"stable": 1}}, loaded())
    assert labels.versions("m", "stable") == (1,)


def test_a_label_that_moves_twice_keeps_the_version_that_is_loaded(labels):
    labels.assign_when_available({"m": {"stable": 2}}, loaded(1))
    labels.assign_when_available({"m": {"stable": 3}}, loaded(1))
    assert labels.versions("m", "stable") == (3, 1)
    labels.assign_when_available({"m": {"stable": 1}}, loaded(1))
    assert labels.versions("m", "stable") == (1,)


def test_a_model_that_is_new_gets_its_labels_while_it_is_loaded(labels):
    labels.assign_when_available({"new": {"stable": 4}}, loaded())
    assert labels.versions("new", "stable") == (4,)
    assert labels.names("m") == ()
