"""The launcher on pretend machines: PATH holds fakes of python3, gcc, apt-get and id, and plain tools."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).resolve().parent.parent / "quadlink"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)] or ["sh"]
TOOLS = [
    *("sh", "readlink", "dirname", "cksum", "cat", "cp", "rm", "mkdir", "touch", "chmod", "stat", "test"),
    *("grep", "cut", "tail", "date", "flock", "env", "getent"),
]

# Each fake appends its name and arguments to `calls`; files in the machine's folder tell it what to pretend.
PYTHON = """
here=$(dirname "$0")
case "$*" in
*version_info*) [ -e "$M/old" ] || echo "$0" ;;
"-") cat >/dev/null; cat "$M/python-lacks" ;;
--version) echo "Python 3.9.2" ;;
"-m venv"*) rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python" ;;
"-m pip"*"--editable"*)
    [ ! -e "$M/pip-fails" ] || { echo "no wheel for you"; exit 1; }
    touch dataplane/_core.abi3.so
    { echo '#!/bin/sh'; echo 'printf "%s|" "ran in" "$PWD" "$@"'; } >"$here/quadlink"
    chmod +x "$here/quadlink" ;;
setup.py*) touch dataplane/_core.abi3.so ;;
esac
"""
GCC = 'read -r line; ! grep -qxF "$line" "$M/headers-missing"'
# A package can be found once the lists were updated, and its header is there once it is installed.
APT_GET = """
case "$*" in
update) touch "$M/lists" ;;
*) [ -e "$M/lists" ] || { echo "Unable to locate package"; exit 100; }
   : >"$M/headers-missing"; : >"$M/python-lacks" ;;
esac
"""
SETPRIV = 'shift 5; exec env "$@"'


class Machine:
    """A checkout in a path with spaces on a machine of fakes; nothing is missing unless pretended."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.folder = folder
        self.checkout = folder / "a check out"
        self.tools = folder / "bin"
        self.command = [shutil.which(shell) or shell, *(["sh"] if shell == "busybox" else [])]
        self.tools.mkdir()
        for tool in TOOLS:
            (self.tools / tool).symlink_to(shutil.which(tool) or tool)
        self.fake("python3", PYTHON)
        self.fake("gcc", GCC)
        self.fake("ip", "")
        self.fake("chown", "")
        self.fake("setpriv", SETPRIV)
        self.fake("id", "echo 1000")
        self.fake("uname", "echo x86_64")
        self.pretend("headers-missing")
        self.pretend("python-lacks")
        for name in ("pyproject.toml", "setup.py", "dataplane/native/secy.c", "dataplane/native/build.py"):
            (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (self.checkout / name).write_text("original\n")
        shutil.copy(LAUNCHER, self.checkout / "quadlink")

    def fake(self, name: str, body: str) -> None:
        path = self.tools / name
        path.write_text(f'#!/bin/sh\nM="{self.folder}"\necho "{name} $*" >>"$M/calls"\n{body}\n')
        path.chmod(0o755)

    def pretend(self, name: str, content: str = "") -> None:
        (self.folder / name).write_text(content)

    def start(self, *words: str, script: Path | None = None, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, str(script or self.checkout / "quadlink"), *words],
            cwd=self.folder,
            env={"PATH": str(self.tools), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, script: Path | None = None, **env: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr of one start."""
        process = self.start(*words, script=script, **env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def calls(self) -> list[str]:
        """What the fakes that set something up were called with since the last time this was asked."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in lines if line.split()[0] in ("python", "python3", "apt-get", "setpriv")]


@pytest.fixture(params=SHELLS)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path, request.param)


def test_first_run_sets_up_and_runs_the_command_where_the_user_is(machine: Machine) -> None:
    code, out, err = machine.run("validate", "two words")
    assert (code, out) == (0, f"ran in|{machine.folder}|validate|two words|")
    assert "quadlink: making .venv with" in err
    assert "quadlink: setup took" in err


def test_second_run_does_nothing_but_the_command(machine: Machine) -> None:
    machine.run()
    machine.calls()
    assert machine.run("inspect") == (0, f"ran in|{machine.folder}|inspect|", "")
    assert machine.calls() == []


def test_a_shell_that_completes_a_line_sets_nothing_up(machine: Machine) -> None:
    assert machine.run(_QUADLINK_COMPLETE="complete_bash") == (0, "", "")
    assert machine.calls() == []


def test_symlink_leads_to_the_checkout(machine: Machine) -> None:
    link = machine.folder / "link"
    link.symlink_to("a check out/quadlink")
    assert machine.run("up", script=link)[:2] == (0, f"ran in|{machine.folder}|up|")


@pytest.mark.parametrize("changed", ["dataplane/native/secy.c", "dataplane/native/build.py"])
def test_changed_core_is_rebuilt_and_nothing_else(machine: Machine, changed: str) -> None:
    machine.run()
    machine.calls()
    (machine.checkout / changed).write_text("changed\n")
    os.utime(machine.checkout / changed, (0, 0))
    assert machine.run()[0] == 0
    work = [call for call in machine.calls() if call != "python3 -"]
    assert work == ["python3 setup.py build_ext --inplace --force"]


def test_lost_core_is_rebuilt(machine: Machine) -> None:
    machine.run()
    (machine.checkout / "dataplane/_core.abi3.so").unlink()
    assert machine.run()[0] == 0
    assert (machine.checkout / "dataplane/_core.abi3.so").exists()


def test_changed_project_is_installed_again_in_the_same_venv(machine: Machine) -> None:
    machine.run()
    machine.calls()
    (machine.checkout / "pyproject.toml").write_text("changed\n")
    assert machine.run()[0] == 0
    calls = machine.calls()
    assert any("--editable" in call for call in calls)
    assert not any("-m venv" in call for call in calls)


def test_moved_checkout_gets_a_new_venv(machine: Machine) -> None:
    machine.run()
    machine.calls()
    machine.checkout = machine.checkout.rename(machine.folder / "elsewhere")
    assert machine.run()[0] == 0
    assert f"python3 -m venv --clear {machine.checkout}/.venv" in machine.calls()


def test_failed_step_shows_the_end_of_the_log_and_the_next_run_starts_over(machine: Machine) -> None:
    machine.pretend("pip-fails")
    code, out, err = machine.run("demo")
    assert (code, out) == (1, "")
    assert "no wheel for you" in err
    assert f"the whole log is in {machine.checkout}/build/setup.log" in err
    (machine.folder / "pip-fails").unlink()
    machine.calls()
    assert machine.run("demo")[0] == 0
    assert f"python3 -m venv --clear {machine.checkout}/.venv" in machine.calls()


def test_without_root_the_exact_command_is_printed(machine: Machine) -> None:
    machine.fake("apt-get", APT_GET)
    machine.pretend("headers-missing", "#include <openssl/evp.h>\n")
    machine.pretend("python-lacks", "python3.11-venv\n")
    code, out, err = machine.run("demo")
    assert (code, out) == (2, "")
    wanted = "apt-get update && apt-get install -y --no-install-recommends libssl-dev python3.11-venv"
    assert f"sudo sh -c '{wanted}'" in err
    assert not any(call.startswith("apt-get") for call in machine.calls())


def test_without_apt_the_packages_are_named(machine: Machine) -> None:
    machine.fake("id", "echo 0")
    machine.pretend("headers-missing", "#include <stdio.h>\n")
    code, out, err = machine.run("demo")
    assert (code, out) == (2, "")
    assert "there is no apt-get here" in err
    assert "gcc libc6-dev" in err


def test_root_installs_what_is_missing_and_updates_the_lists_only_when_needed(machine: Machine) -> None:
    machine.fake("id", "echo 0")
    machine.fake("dpkg", "")
    machine.fake("apt-get", APT_GET)
    machine.pretend("headers-missing", "#include <stdio.h>\n#include <intel-ipsec-mb.h>\n")
    assert machine.run("demo")[0] == 0
    install = "apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends gcc libc6-dev"
    assert [call for call in machine.calls() if call.startswith("apt-get")] == [
        install,
        "apt-get update",
        install,
    ]


def test_a_venv_that_came_from_another_machine_gets_the_packages_it_lacks(machine: Machine) -> None:
    machine.run()
    (machine.tools / "ip").unlink()
    machine.calls()
    machine.fake("id", "echo 0")
    machine.fake("apt-get", 'printf "#!/bin/sh\\n" >"$M/bin/ip"; chmod +x "$M/bin/ip"')
    assert machine.run("up")[0] == 0
    calls = machine.calls()
    assert any(call.endswith("install -y --no-install-recommends iproute2") for call in calls)
    assert not any("-m venv" in call or "-m pip" in call for call in calls)


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        ("test", ["clang libclang-rt-dev", "tshark", "iperf3 wireguard-go wireguard-tools", "libpcap0.8"]),
        ("bench", ["iperf3 wireguard-go wireguard-tools"]),
        ("capture", ["libpcap0.8"]),
        ("up", []),
    ],
)
def test_what_only_some_commands_need_comes_with_them(
    machine: Machine, command: str, packages: list[str]
) -> None:
    machine.fake("id", "echo 0")
    machine.fake("apt-get", "")
    code, out, err = machine.run(command, "-k", "fuzz")
    assert (code, out) == (0, f"ran in|{machine.folder}|{command}|-k|fuzz|")
    installed = [call for call in machine.calls() if call.startswith("apt-get")]
    assert [call.partition("--no-install-recommends ")[2] for call in installed] == packages
    assert all(f"installing {names}" in err for names in packages)


def test_without_what_only_they_need_the_tests_run_all_the_same(machine: Machine) -> None:
    machine.run()
    code, out, err = machine.run("test")
    assert (code, out) == (0, f"ran in|{machine.folder}|test|")
    assert "the fuzz targets cannot run" in err
    assert "some benchmarks cannot run" in err
    assert "captures have no --filter" in err


def test_missing_ipsec_mb_is_skipped_with_a_word(machine: Machine) -> None:
    machine.pretend("headers-missing", "#include <intel-ipsec-mb.h>\n")
    code, _, err = machine.run("demo")
    assert code == 0
    assert "OpenSSL encrypts" in err
    assert machine.run("demo")[2] == ""


def test_a_core_rebuilt_without_ipsec_mb_says_so(machine: Machine) -> None:
    machine.run()
    machine.pretend("headers-missing", "#include <intel-ipsec-mb.h>\n")
    (machine.checkout / "dataplane/_core.abi3.so").unlink()
    code, _, err = machine.run("demo")
    assert code == 0
    assert "OpenSSL encrypts" in err


@pytest.mark.parametrize("python", ["old", "absent"])
def test_without_a_python_that_is_new_enough_one_sentence_says_so(machine: Machine, python: str) -> None:
    if python == "old":
        machine.pretend("old")
    else:
        (machine.tools / "python3").unlink()
    code, out, err = machine.run("demo")
    assert (code, out) == (2, "")
    assert "needs Python 3.11 or later" in err


def test_under_sudo_setup_runs_as_the_user_who_typed_it(machine: Machine) -> None:
    machine.fake("id", "echo 0")
    assert machine.run("demo", SUDO_UID="1234", SUDO_GID="5678")[0] == 0
    calls = machine.calls()
    work = [call for call in calls if call.startswith("python") and "build_ext" not in call]
    as_user = [
        call for call in calls if call.startswith("setpriv --reuid 1234 --regid 5678 --init-groups env HOME=")
    ]
    assert as_user
    for call in work:
        assert any(wrapped.endswith(call.split(" ", 1)[1]) for wrapped in as_user), f"not as the user: {call}"


def test_second_start_waits_for_the_first(machine: Machine) -> None:
    with (machine.checkout / "quadlink").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = machine.start("up")
        assert process.stderr is not None
        assert "another quadlink is setting up" in process.stderr.readline()
        assert machine.calls() == []
    assert process.communicate(timeout=60)[0] == f"ran in|{machine.folder}|up|"
