"""Files and folders are whole or absent, whatever happens while they are made."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.storage import files
from harness.storage.files import WholeFolder, append, make_folder, remove_partial, whole_file
from harness.storage.home import VARIABLE

ROOT = Path(__file__).parents[2]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def is_folder(handle: int) -> bool:
    return stat.S_ISDIR(os.fstat(handle).st_mode)


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs ``code``."""
    whole = "import os, signal, sys\nfrom pathlib import Path\n" + textwrap.dedent(code)
    command = [sys.executable, "-c", whole, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# -- a file


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for content in (b"a long first page", b"second"):
        files.write(path, content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["page.html"]


def test_a_file_may_be_read_by_whom_the_system_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write(tmp_path / "page.html", b"page")
    finally:
        os.umask(before)
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o640


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    files.write(tmp_path / ("n" * 255), b"page")
    assert names(tmp_path) == ["n" * 255]


def test_what_was_there_stays_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    files.write(path, b"first")
    with whole_file(path) as file:
        file.write(b"second")
        file.flush()
        assert path.read_bytes() == b"first"
    assert path.read_bytes() == b"second"


def test_a_block_that_raises_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    files.write(path, b"first")

    def second() -> None:
        with whole_file(path) as file:
            file.write(b"second")
            raise KeyError

    with pytest.raises(KeyError):
        second()
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["page.html"]


def test_a_library_may_close_the_file(tmp_path: Path) -> None:
    with whole_file(tmp_path / "page.html") as file:
        file.write(b"page")
        file.close()
    assert (tmp_path / "page.html").read_bytes() == b"page"


@pytest.mark.parametrize("place", ["missing/page.html", "file/page.html", "folder"])
def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    path = tmp_path / place
    with pytest.raises(HarnessError, match=rf"^cannot write {path}: \w[\w ]+$"):
        files.write(path, b"page")
    assert names(tmp_path) == ["file", "folder"]
    assert names(tmp_path / "folder") == []


def test_a_place_in_the_home_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "home"))
    with pytest.raises(HarnessError, match=rf"No such file or directory; {VARIABLE} names another"):
        files.write(tmp_path / "home" / "page.html", b"page")


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_a_full_disk_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    path = tmp_path / "page.html"
    files.write(path, b"first")

    def second() -> None:
        with whole_file(path) as file:
            file.write(b"second")
            if fails == "write":
                full()

    with monkeypatch.context() as patch:
        if fails == "fsync":
            patch.setattr(os, "fsync", full)
        if fails == "replace":
            patch.setattr(Path, "replace", full)
        with pytest.raises(HarnessError, match="No space left"):
            second()
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["page.html"]


def test_a_limit_of_the_system_keeps_what_was_there(tmp_path: Path) -> None:
    """As a full disk does, for real: the system refuses the rest of what is written."""
    path = tmp_path / "page.html"
    files.write(path, b"first")
    process = python(
        """
        import resource
        from harness.errors import HarnessError
        from harness.storage.files import write

        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write(Path(sys.argv[1]), bytes(10_000))
        except HarnessError as error:
            print(error)
        """,
        path,
    )
    said, _ = process.communicate(timeout=60)
    assert said == f"cannot write {path}: File too large\n"
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["page.html"]


def test_content_is_on_the_disk_before_its_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        done.append("names" if is_folder(handle) else "content")
        sync(handle)

    def replaced(self: Path, target: Path) -> Path:
        done.append("replaced")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    files.write(tmp_path / "page.html", b"page")
    assert done == ["content", "replaced", "names"]


def test_a_file_system_that_cannot_sync_names_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def of_files(handle: int) -> None:
        if is_folder(handle):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(handle)

    monkeypatch.setattr(os, "fsync", of_files)
    files.write(tmp_path / "page.html", b"page")
    assert (tmp_path / "page.html").read_bytes() == b"page"


def test_a_writer_that_is_killed_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    files.write(path, b"first")
    killed = python(
        """
        from harness.storage.files import whole_file

        with whole_file(Path(sys.argv[1])) as file:
            file.write(bytes(10_000))
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
    )
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"first"
    left = [name for name in names(tmp_path) if name != "page.html"]
    assert [name.startswith(".page.html-") for name in left] == [True]
    remove_partial(tmp_path)
    files.write(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(tmp_path) == ["page.html"]


def test_two_writers_never_mix(tmp_path: Path) -> None:
    """Whoever reads meanwhile sees the content of one of them, all of it."""
    path = tmp_path / "page.html"
    code = """
    from harness.storage.files import write

    for _ in range(60):
        write(Path(sys.argv[1]), sys.argv[2].encode() * 300_000)
    """
    writers = [python(code, path, letter) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            content = path.read_bytes()
            assert content in (b"a" * 300_000, b"b" * 300_000)
            seen.add(content[:1])
        time.sleep(0.001)
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == {b"a", b"b"}
    assert names(tmp_path) == ["page.html"]


# -- adding to a file, making folders


def test_what_is_added_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "lines", list[int]()
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    append(path, b"one\n")
    append(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    assert synced == [4, 8]


def test_adding_where_one_cannot_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=f"cannot write {tmp_path / 'missing' / 'lines'}: "):
        append(tmp_path / "missing" / "lines", b"one\n")


def test_folders_are_made_or_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(HarnessError, match=f"cannot make {tmp_path / place}: "):
            make_folder(tmp_path / place)


# -- a folder


def fill(folder: Path, text: str, *, end: Callable[[WholeFolder], None]) -> None:
    with WholeFolder(folder) as made:
        for name in ("first", "deep/second"):
            make_folder((made.content / name).parent)
            (made.content / name).write_text(text)
        end(made)


def placed(made: WholeFolder) -> None:
    made.take_place()


def content(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): each.read_text()
        for each in folder.rglob("*")
        if each.is_file()
    }


def of(text: str) -> dict[str, str]:
    return {"first": text, "deep/second": text}


def test_a_folder_appears_whole_and_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "table"
    for text in ("one", "two"):
        with WholeFolder(folder) as made:
            (made.content / "first").write_text(text)
            assert not folder.exists() or content(folder) == {"first": "one"}
            made.take_place()
            assert content(folder) == {"first": text}
    assert names(folder.parent) == ["table"]


def test_a_folder_that_takes_no_place_leaves_no_trace(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    fill(folder, "one", end=lambda made: None)
    assert names(tmp_path) == []
    fill(folder, "one", end=placed)
    with pytest.raises(ZeroDivisionError):
        fill(folder, "two", end=lambda made: 1 / 0)  # type: ignore[arg-type]
    assert content(folder) == of("one")
    assert names(tmp_path) == ["table"]


def test_a_folder_is_filled_inside_its_block(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="inside its with block"):
        WholeFolder(tmp_path / "table").content  # noqa: B018 - raises


def test_a_folder_where_none_can_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=f"cannot make {tmp_path / 'file'}: "):
        fill(tmp_path / "file" / "table", "one", end=placed)


@pytest.mark.parametrize("fails", ["fsync", "rename"])
def test_a_full_disk_keeps_the_earlier_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    folder, rename = tmp_path / "table", Path.rename
    fill(folder, "one", end=placed)

    def into_place_fails(self: Path, target: Path) -> Path:
        if self.name == "new":
            full()
        return rename(self, target)

    with monkeypatch.context() as patch:
        if fails == "fsync":
            patch.setattr(os, "fsync", full)
        if fails == "rename":
            patch.setattr(Path, "rename", into_place_fails)
        with pytest.raises(HarnessError, match="No space left"):
            fill(folder, "two", end=placed)
    assert content(folder) == of("one")
    assert names(tmp_path) == ["table"]


def test_all_of_a_folder_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, done = tmp_path / "table", list[str]()
    sync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        done.append("names" if is_folder(handle) else "content")
        sync(handle)

    def renamed(self: Path, target: Path) -> Path:
        done.append("renamed")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    fill(folder, "one", end=placed)
    # Two files and the folder of one of them, then the folder above.
    assert sorted(done[:3]) == ["content", "content", "names"]
    assert done[3:] == ["renamed", "names"]


def test_a_folder_whose_maker_is_killed_leaves_the_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    fill(folder, "one", end=placed)
    killed = python(
        """
        from harness.storage.files import WholeFolder

        with WholeFolder(Path(sys.argv[1])) as made:
            (made.content / "first").write_text("two")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        folder,
    )
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert content(folder) == of("one")
    fill(folder, "three", end=placed)
    assert content(folder) == of("three")
