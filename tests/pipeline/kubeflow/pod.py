"""Runs a command as a pod of a namespace with `restricted` would run it: as user 1000, and all but the mounts is read-only.

Linux' own namespaces do that (unshare, mount, chroot and setpriv of util-linux and coreutils). They need the right to mount,
which root has unless a container takes it away.
"""

import functools
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]

USER = 1000

# What k8s/Dockerfile copies into the image.
_IN_THE_IMAGE = ("pyproject.toml", "README.md", "client", "data", "components", "pipeline", "serving")

# What k8s/Dockerfile sets.
_ENVIRONMENT = {
    "HOME": "/tmp",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

# Arguments: root, mounts ("MODE SOURCE TARGET" lines), then the command. `$root` is a tmpfs, which is read-only in the end.
_SCRIPT = r"""
set -eu
root=$1 mounts=$2
shift 2
mount -t tmpfs -o mode=755 pod "$root"
for name in bin sbin lib lib64; do
  if [ -L "/$name" ]; then ln -s "$(readlink "/$name")" "$root/$name"; fi
done
while IFS='	' read -r mode source target; do
  if [ -d "$source" ]; then mkdir -p "$root$target"; else mkdir -p "$(dirname "$root$target")"; : > "$root$target"; fi
  mount --bind -o "$mode" "$source" "$root$target"
done < "$mounts"
mkdir -p "$root/dev/shm" "$root/proc"
for device in null zero full random urandom; do : > "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mount -t tmpfs -o mode=1777,size=64m shm "$root/dev/shm"
mount --rbind /proc "$root/proc"
mount -o remount,ro "$root"
exec chroot "$root" "$@"
"""


@functools.cache
def why_not_confined() -> str:
    """Returns why this machine does not let a step be confined; empty if it does."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root can mount what a pod has and run its command as another user"
    trial = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs x /mnt"], capture_output=True, text=True, check=False
    )
    return f"this machine lets nobody mount: {trial.stderr.strip()}" if trial.returncode else ""


def run_in_pod(
    command: Sequence[str], folder: Path, mounts: Mapping[str, Path], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a pod of its own; standard output has standard error too.

    Args:
      command: What to run; `python` is the one of this virtual environment.
      folder: Somewhere to keep the pod's root.
      mounts: Path in the pod to folder on this machine; these alone can be written to, if the folder's mode allows it.
      timeout: Seconds.
    """
    root = folder / "root"
    root.mkdir(exist_ok=True)
    venv = Path(sys.prefix)
    lines = [f"ro\t{source}\t{source}" for source in _system_folders()]
    lines += [f"ro\t{source}\t{source}" for source in dict.fromkeys([Path(sys.base_prefix), venv])]
    lines += [f"ro\t{CHECKOUT / name}\t/app/{name}" for name in _IN_THE_IMAGE]
    lines += [f"rw\t{source}\t{target}" for target, source in mounts.items()]
    table = folder / "mounts"
    table.write_text("\n".join(lines) + "\n")
    # The image has the client installed from /app; this virtual environment has it from the checkout, which no pod sees.
    here = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "PYTHONPATH": "/app/client"}
    settings = [f"{name}={value}" for name, value in {**_ENVIRONMENT, **here}.items()]
    namespace = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "pod", str(root), str(table)]
    user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    return subprocess.run(
        [*namespace, *user, "env", "-i", "-C", "/app", *settings, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def _system_folders() -> list[Path]:
    folders = [Path("/", name) for name in ("usr", "etc", "bin", "sbin", "lib", "lib64")]
    return [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]
