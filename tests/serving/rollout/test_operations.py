"""Promoting, rolling back and canaries, against a server that is a double: what is served, labelled, written and refused."""

import contextlib
import fcntl

import pytest

from serving.contract.model_config import read_config
from serving.rollout import RolloutError, follow_latest, list_models, promote, rollback, set_canary
from serving.rollout.folder import locked
from serving.rollout.history import read_history
from serving.rollout.operations import Model, Rollout, Version, find_stable
from tests.serving.rollout.doubles import Double, save, served

SERVER = "localhost:8500"


@pytest.fixture
def folder(tmp_path):
    """A serving folder with the versions 1, 2 and 3 of `m`, and a model `other`."""
    save(tmp_path, 1, 2, 3)
    save(tmp_path, 7, model="other")
    return tmp_path


@pytest.fixture
def server(monkeypatch):
    """A server that has loaded version 3, the newest."""
    with served(monkeypatch, Double({"m": {3}, "other": {7}})) as double:
        yield double


def written(folder, model="m"):
    """What the file says of a model: its versions, and its labels."""
    (entry,) = [e for e in read_config(folder / "models.config").model_config_list.config if e.name == model]
    policy = entry.model_version_policy
    pinned = sorted(policy.specific.versions) if policy.WhichOneof("policy_choice") == "specific" else None
    return pinned, dict(entry.version_labels)


def history(folder):
    return [(entry.model, entry.action, entry.version, entry.previous) for entry in read_history(folder)]


def test_a_promotion_loads_before_it_unloads(folder, server):
    done = promote(folder, "m", 2, server=SERVER, timeout_s=7.0)
    assert done == Rollout("m", 2, 3, live=True)
    assert server.loaded == [2]
    assert server.serving["m"] == {2}
    assert server.serving["other"] == {7}
    assert server.labels.versions("m", "stable") == (2,)
    assert written(folder) == ([2], {"stable": 2})
    assert history(folder) == [("m", "promote", 2, 3)]
    assert set(server.timeouts) == {7.0}


def test_it_waits_for_the_version_before_the_old_one_goes(folder, server, monkeypatch):
    served_meanwhile = []
    monkeypatch.setattr(server, "wait_until_available", lambda *_: served_meanwhile.append(set(server.serving["m"])))
    promote(folder, "m", 1, server=SERVER)
    assert served_meanwhile == [{1, 3}]


def test_the_same_promotion_again_changes_nothing(folder, server):
    promote(folder, "m", 2, server=SERVER)
    before = (folder / "models.config").read_bytes()
    assert promote(folder, "m", 2, server=SERVER) == Rollout("m", 2, 2, live=True)
    assert (folder / "models.config").read_bytes() == before
    assert len(history(folder)) == 1


def test_a_version_that_does_not_load_leaves_all_as_it_was(folder, server):
    promote(folder, "m", 3, server=SERVER)
    before = (folder / "models.config").read_bytes()
    server.damaged = {2}
    with pytest.raises(RolloutError, match="Version 2 of m does not load"):
        promote(folder, "m", 2, server=SERVER, timeout_s=3.0)
    assert (folder / "models.config").read_bytes() == before
    assert server.serving["m"] == {3}
    assert history(folder) == [("m", "promote", 3, 3)]
    assert set(server.timeouts[-3:]) == {3.0}


def test_a_configuration_that_the_server_refuses_is_not_left(folder, server):
    promote(folder, "m", 3, server=SERVER)
    before = (folder / "models.config").read_bytes()
    server.refuses = 1
    with pytest.raises(RolloutError, match="refuses the configuration"):
        promote(folder, "m", 2, server=SERVER)
    assert (folder / "models.config").read_bytes() == before
    assert len(history(folder)) == 1


def test_a_version_that_is_loaded_and_gone_from_the_disk_is_not_asked_for(folder, server):
    server.serving["m"] = {3, 9}
    promote(folder, "m", 2, server=SERVER)
    assert server.serving["m"] == {2}
    assert written(folder)[0] == [2]


def test_without_a_server_the_file_says_it(folder, server):
    assert promote(folder, "m", 1) == Rollout("m", 1, 3, live=False)
    assert written(folder) == ([1], {"stable": 1})
    assert written(folder, "other") == (None, {})
    assert server.serving["m"] == {3}


def test_rollbacks_lead_back_one_promotion_each(folder, server):
    for version in (1, 2, 3):
        promote(folder, "m", version, server=SERVER)
    assert rollback(folder, "m", server=SERVER, timeout_s=9.0) == Rollout("m", 2, 3, live=True)
    assert set(server.timeouts[-2:]) == {9.0}
    assert rollback(folder, "m", server=SERVER) == Rollout("m", 1, 2, live=True)
    with pytest.raises(RolloutError, match=f"There is no version of m to go back to: 1 is the only one in {folder}"):
        rollback(folder, "m", server=SERVER)
    assert history(folder)[-2:] == [("m", "rollback", 2, 3), ("m", "rollback", 1, 2)]
    assert server.serving["m"] == {1}


def test_a_rollback_begins_at_what_the_server_serves(folder, server):
    server.serving["m"] = {2}  # 3 is being loaded
    assert rollback(folder, "m", server=SERVER) == Rollout("m", 1, 2, live=True)


def test_a_minute_is_the_longest_time_unless_said_otherwise(folder, server):
    promote(folder, "m", 2, server=SERVER)
    rollback(folder, "m", server=SERVER)
    set_canary(folder, "m", 2, server=SERVER)
    follow_latest(folder, "m", server=SERVER)
    assert set(server.timeouts) == {60.0}


def test_a_newest_version_that_the_server_refuses_to_follow_is_not_followed(folder, server):
    promote(folder, "m", 1, server=SERVER)
    server.refuses = 1
    with pytest.raises(RolloutError, match="refuses the configuration"):
        follow_latest(folder, "m", server=SERVER, timeout_s=4.0)
    assert written(folder) == ([1], {"stable": 1})
    assert set(server.timeouts[-2:]) == {4.0}


def test_a_rollback_follows_the_history_not_the_numbers(folder, server):
    promote(folder, "m", 1, server=SERVER)
    promote(folder, "m", 3, server=SERVER)
    assert rollback(folder, "m", server=SERVER).version == 1


def test_a_canary_beside_what_is_served_without_a_label(folder, server):
    server.serving["m"] = {2}  # 3 is being loaded
    assert set_canary(folder, "m", 1, server=SERVER).version == 2
    assert written(folder) == ([1, 2], {"stable": 2, "canary": 1})


def test_without_a_history_a_rollback_goes_to_the_next_older(folder, server):
    assert rollback(folder, "m").version == 2
    assert rollback(folder, "m").version == 1
    assert written(folder) == ([1], {"stable": 1})


def test_a_canary_is_served_beside_the_stable_version(folder, server):
    promote(folder, "m", 1, server=SERVER)
    assert set_canary(folder, "m", 3, server=SERVER, timeout_s=2.0) == Rollout("m", 1, 1, live=True)
    assert server.timeouts[-1] == 2.0
    assert server.serving["m"] == {1, 3}
    assert written(folder) == ([1, 3], {"stable": 1, "canary": 3})
    assert set_canary(folder, "m", None, server=SERVER) == Rollout("m", 1, 1, live=True)
    assert server.serving["m"] == {1}
    assert written(folder) == ([1], {"stable": 1})
    assert set_canary(folder, "m", 2) == Rollout("m", 1, 1, live=False)
    assert len(history(folder)) == 1, "a canary changes nothing that is stable"


def test_a_promotion_ends_the_canary_that_it_promotes_and_no_other(folder, server):
    promote(folder, "m", 1, server=SERVER)
    set_canary(folder, "m", 3, server=SERVER)
    promote(folder, "m", 2, server=SERVER)
    assert written(folder) == ([2, 3], {"stable": 2, "canary": 3})
    promote(folder, "m", 3, server=SERVER)
    assert written(folder) == ([3], {"stable": 3})


def test_labels_of_others_stay(folder, server):
    promote(folder, "m", 1, server=SERVER)
    text = (folder / "models.config").read_text()
    label = 'version_labels {\n      key: "mine"\n      value: 2\n    }\n    version_labels {'
    (folder / "models.config").write_text(text.replace("version_labels {", label, 1))
    promote(folder, "m", 3)
    assert written(folder) == ([2, 3], {"mine": 2, "stable": 3})


def test_following_the_newest_ends_what_a_rollout_pinned(folder, server):
    promote(folder, "m", 1, server=SERVER)
    follow_latest(folder, "m", server=SERVER, timeout_s=4.0)
    assert written(folder) == (None, {})
    assert server.serving["m"] == {3}
    assert server.timeouts[-1] == 4.0
    assert server.labels.names("m") == ()


def test_models_are_listed_with_what_file_folder_and_server_say(folder, server):
    promote(folder, "m", 1, server=SERVER)
    set_canary(folder, "m", 2, server=SERVER)
    server.serving["m"] |= {9}
    server.damaged = {3}
    assert list_models(folder, server=SERVER) == [
        Model(
            "m",
            (
                Version(9, False, "AVAILABLE"),
                Version(3, True, "END", "it is damaged"),
                Version(2, True, "AVAILABLE", "", ("canary",)),
                Version(1, True, "AVAILABLE", "", ("stable",)),
            ),
            1,
            pinned=True,
        ),
        Model("other", (Version(7, True, "AVAILABLE"),), 7, pinned=False),
    ]
    assert server.timeouts[-1] == 5.0
    assert [(version.state, version.error) for version in list_models(folder)[0].versions] == [("", "")] * 3


def test_models_are_listed_by_name(folder, server):
    save(folder, 1, model="a")
    (folder / "models.config").write_text(
        f'model_config_list {{ config {{ name: "other" base_path: "{folder}/other" model_platform: "tensorflow" }} }}'
    )
    assert [model.name for model in list_models(folder)] == ["a", "m", "other"]


def test_a_version_that_is_labelled_and_gone_is_listed(folder, server):
    promote(folder, "m", 2)
    (folder / "m" / "2" / "saved_model.pb").unlink()
    (model,) = [model for model in list_models(folder) if model.name == "m"]
    assert [(v.version, v.on_disk, v.labels) for v in model.versions] == [
        (3, True, ()),
        (2, False, ("stable",)),
        (1, True, ()),
    ]


@pytest.mark.parametrize(
    ("pinned", "serving", "besides", "stable"),
    [
        (None, {3}, None, 3),
        (None, {2, 3}, 3, 2),  # the newest has come by itself, and does not count
        (None, {3}, 3, None),
        (2, {2, 3}, 3, 2),
        (2, {2}, 2, None),
        (None, set(), None, 3),  # what the server will load
    ],
)
def test_which_version_is_stable(folder, server, pinned, serving, besides, stable):
    if pinned:
        promote(folder, "m", pinned)
    server.serving["m"] = serving
    assert find_stable(folder, "m", server=SERVER, besides=besides) == stable
    assert server.timeouts[-1] == 5.0


def test_a_model_that_is_not_there_has_no_stable_version(folder, server):
    assert find_stable(folder, "nobody", server=SERVER) is None


def test_stable_without_a_label_is_what_the_policy_names(folder, server):
    promote(folder, "m", 2)
    text = (folder / "models.config").read_text()
    head, _, tail = text.partition("version_labels")
    (folder / "models.config").write_text(head + tail.split("}", 1)[1])
    assert written(folder) == ([2], {})
    server.serving["m"] = set()
    assert find_stable(folder, "m", server=SERVER) == 2
    (folder / "m" / "2" / "saved_model.pb").unlink()
    assert find_stable(folder, "m", server=SERVER) is None, "what is named and not there is not served"


def test_what_is_not_there_is_refused_by_name(folder, server):
    for refused in (
        lambda: promote(folder, "nobody", 1),
        lambda: rollback(folder, "nobody"),
        lambda: set_canary(folder, "nobody", 1),
        lambda: follow_latest(folder, "nobody"),
    ):
        with pytest.raises(RolloutError, match=r"^There is no model nobody here; there is m, other\.$"):
            refused()
    for refused in (lambda: promote(folder, "m", 9), lambda: set_canary(folder, "m", 9)):
        with pytest.raises(RolloutError, match=rf"^There is no version 9 of m in {folder}/m; there is 1, 2, 3\.$"):
            refused()
    (folder / "empty").mkdir()
    with pytest.raises(RolloutError, match="^There is no model m here; there is none.$"):
        promote(folder / "empty", "m", 1)
    assert not (folder / "models.config").exists()


def test_a_model_whose_versions_are_gone(folder, server):
    promote(folder, "m", 2)
    follow_latest(folder, "m")
    for version in (1, 2, 3):
        (folder / "m" / str(version) / "saved_model.pb").unlink()
    with pytest.raises(RolloutError, match=r"; there is none\.$"):
        promote(folder, "m", 2)
    with pytest.raises(RolloutError, match="^There is no version of m to go back to: None is the only one"):
        rollback(folder, "m")
    with pytest.raises(RolloutError, match="^m has no stable version yet; promote one first.$"):
        set_canary(folder, "m", None)


def test_a_folder_that_cannot_be_used_is_named(folder, server):
    with pytest.raises(RolloutError, match=rf"^{folder}/nowhere cannot be written to: No such file or directory\.$"):
        promote(folder / "nowhere", "m", 1)
    (folder / "models.config").write_text("broken")
    with pytest.raises(RolloutError, match="models.config.*; correct or remove that file.$"):
        list_models(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: promote(folder, "m", 1),
        lambda folder: rollback(folder, "m"),
        lambda folder: set_canary(folder, "m", 1),
        lambda folder: follow_latest(folder, "m"),
    ],
)
def test_one_rollout_at_a_time(folder, server, change):
    with locked(folder), pytest.raises(RolloutError, match="Resource temporarily unavailable"), never_waiting():
        change(folder)
    assert not (folder / "models.config").exists()
    change(folder)
    assert (folder / "models.config").exists()


@contextlib.contextmanager
def never_waiting():
    """Has a lock that is held be an error at once."""
    real = fcntl.flock
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", lambda file, how: real(file, how | fcntl.LOCK_NB))
        yield
