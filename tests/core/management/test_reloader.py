"""Noticing that files change."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import types
from pathlib import Path

import pytest

from webframe.core.management import reloader
from webframe.core.management.reloader import Watcher, handed_over


def test_a_changed_file_is_noticed_once(tmp_path: Path) -> None:
    module = tmp_path / "shop" / "views.py"
    module.parent.mkdir()
    module.write_text("one = 1\n")
    watcher = Watcher(tmp_path)
    assert watcher.find_change() is None
    module.write_text("two = 22\n")
    assert watcher.find_change() == str(module)
    assert watcher.find_change() is None


def test_a_file_set_back_to_an_older_state_is_a_change(tmp_path: Path) -> None:
    module = tmp_path / "views.py"
    module.write_text("one = 1\n")
    watcher = Watcher(tmp_path)
    os.utime(module, (1_000_000_000, 1_000_000_000))
    assert watcher.find_change() == str(module)


def test_a_new_file_is_a_change_and_a_missing_one_is_not(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path)
    module = tmp_path / "views.py"
    module.write_text("")
    assert watcher.find_change() == str(module)
    module.unlink()
    assert watcher.find_change() is None


def test_files_of_other_kinds_and_of_other_people_are_not_watched(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "pyvenv.cfg").write_text("")
    watcher = Watcher(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    for name in (".git", "node_modules", "environment", "__pycache__"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "module.py").write_text("")
    assert watcher.find_change() is None


def test_files_that_were_named_are_watched_before_they_exist(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path / "shop", [tmp_path / ".env"])
    (tmp_path / ".env").write_text("NAME=1")
    assert watcher.find_change() == str(tmp_path / ".env")


def test_modules_imported_from_elsewhere_are_watched_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(tmp_path / "shop")
    module = types.ModuleType("imported_from_elsewhere")
    module.__file__ = str(tmp_path / "imported_from_elsewhere.py")
    Path(module.__file__).write_text("one = 1")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert watcher.find_change() is None
    Path(module.__file__).write_text("two = 22")
    assert watcher.find_change() == module.__file__


def test_what_is_installed_is_not_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("installed")
    module.__file__ = str(Path(sysconfig.get_paths()["purelib"]) / "installed_for_this_test_only.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    watcher = Watcher(tmp_path)
    assert watcher.find_change() is None
    assert module.__file__ not in watcher._seen


def test_the_thread_stops_the_server_at_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reloader, "INTERVAL", 0.01)
    monkeypatch.chdir(tmp_path)
    stopped = threading.Event()

    def stop() -> None:
        stopped.set()
        threading.Event().wait()  # or this process would be ended for not ending by itself

    changed = Watcher(tmp_path).start(stop)
    assert not changed.is_set()
    (tmp_path / "views.py").write_text("")
    assert stopped.wait(10)
    assert changed.is_set()
    assert capfd.readouterr().err == "views.py changed.\n"


def test_a_process_started_by_hand_is_handed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(reloader.VARIABLE, raising=False)
    assert handed_over() is None
