"""Where things are: the repository, the built programs, the database server's programs."""

import os
import shutil

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEBS = os.path.join(ROOT, ".cache", "debs")


def bin_dir():
    """Directory of the built programs; DDB_BIN selects another build (a sanitizer's, for example)."""
    return os.environ.get("DDB_BIN") or os.path.join(ROOT, "build", "bin")


def environment():
    """The environment for children: server programs lie in sbin, which an ordinary user's PATH may lack."""
    env = dict(os.environ)
    parts = env.get("PATH", "/usr/bin:/bin").split(":")
    extra = [os.path.join(DEBS, "mariadb-server", "usr", "bin"), os.path.join(DEBS, "mariadb-client", "usr", "bin")]
    for directory in ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"] + extra:
        if directory not in parts:
            parts.append(directory)
    env["PATH"] = ":".join(parts)
    return env


def program(name):
    """Path of a built program or of a system program. Raises FileNotFoundError that says what to do."""
    built = os.path.join(bin_dir(), name)
    if name.startswith("ddb-"):
        if os.access(built, os.X_OK):
            return built
        raise FileNotFoundError(f"{built} is missing: build first "
                                f"(cd {ROOT} && cmake --preset release && ninja -C build)")
    found = shutil.which(name, path=environment()["PATH"])
    if found:
        return found
    raise FileNotFoundError(f"{name} is missing: run tools/setup --test --bench")
