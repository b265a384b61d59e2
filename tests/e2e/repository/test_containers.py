"""Container images and manifests are linted, valid, and fit the code that they run. No image is built here."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from lookdex.cli import main
from lookdex.config import SETTINGS, ServiceSettings, find_unknown_variables
from tests.support.paths import ROOT
from tests.support.services import Service

INFRA = ROOT / "infra"
DOCKERFILES = ("docker/service.Dockerfile", "docker/jobs.Dockerfile", "lambda/Dockerfile")
IMAGES = {"service": "docker/service.Dockerfile", "jobs": "docker/jobs.Dockerfile"}
KUBERNETES = ("1.33", "1.37")  # the oldest supported version, and the newest that the validator knows
NOT_DEPLOYED = "has not been built or deployed"


@dataclass
class Stage:
    """A stage of a Dockerfile: its instructions, as pairs of name and value."""

    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [value for instruction, value in self.instructions if instruction == name]

    def listed(self, name: str) -> list[str]:
        """The last instruction of that name, which is in exec form."""
        found: list[str] = json.loads(self.all(name)[-1])
        return found

    @property
    def environment(self) -> dict[str, str]:
        words = [word for value in self.all("ENV") for word in shlex.split(value)]
        return dict(word.split("=", 1) for word in words)


def stages(dockerfile: str) -> list[Stage]:
    text = (INFRA / dockerfile).read_text()
    lines = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        name, _, value = line.partition(" ")
        if name == "FROM":
            found.append(Stage())
        if found:
            found[-1].instructions.append((name, value.strip()))
    return found


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((INFRA / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            yield f"{file.name} {document['kind']}", document


MANIFESTS = dict(manifests())
COMPOSE = yaml.safe_load((INFRA / "compose.yaml").read_text())
DEPLOYMENT = MANIFESTS["service.yaml Deployment"]["spec"]["template"]["spec"]
NIGHT = MANIFESTS["night.yaml CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
(SERVICE,) = DEPLOYMENT["containers"]


def assert_parses(words: list[str], environment: Mapping[str, str] | None = None) -> None:
    """Check that `lookdex` accepts these arguments, with these variables as settings."""
    verb, *rest = words
    command = main.main.commands[verb]
    settings = {name: value for name, value in (environment or {}).items() if name.startswith("LOOKDEX_")}
    assert find_unknown_variables(settings) == {}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        context = command.make_context(verb, rest, parent=click.Context(main.main))
        for name in settings:
            assert name == "LOOKDEX_TOKENS" or name.removeprefix("LOOKDEX_").lower() in context.params


# ── images ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_hadolint_finds_nothing(dockerfile: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", INFRA / dockerfile], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def ignored(path: str) -> bool:
    """Whether .dockerignore excludes the path: the last line that matches it or a folder above it decides."""
    parts = path.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if (
            line
            and not line.startswith("#")
            and any(fnmatch.fnmatchcase(parent, pattern) for parent in above)
        ):
            out = not line.startswith("!")
    return out


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_copied_files_exist_and_secrets_are_ignored(dockerfile: str) -> None:
    copied = [
        source
        for stage in stages(dockerfile)
        for value in stage.all("COPY")
        if not value.startswith("--from")
        for source in value.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not ignored(source), f"{source} is in .dockerignore"
    for path in (".git", ".venv", "demo", "lookdex.toml", "infra/kubernetes", "tests", "dist"):
        assert ignored(path), path


@pytest.mark.parametrize("image", IMAGES)
def test_image_runs_unprivileged_without_pip(image: str) -> None:
    build, last = stages(IMAGES[image])
    assert NOT_DEPLOYED in (INFRA / IMAGES[image]).read_text()
    assert last.all("USER") == ["10001:10001"]
    assert "pip install" not in " ".join(last.all("RUN"))
    assert all("--without-pip" in run for run in build.all("RUN") if "venv" in run)
    assert all("lock/" in run for run in build.all("RUN") if "install" in run)
    assert {"org.opencontainers.image.title", "org.opencontainers.image.licenses"} <= set(
        re.findall(r"([\w.]+)=", " ".join(last.all("LABEL")))
    )
    java = "openjdk-17-jre-headless" in " ".join(last.all("RUN"))
    assert java == (image == "jobs")


def test_image_commands_are_valid() -> None:
    service, jobs = stages(IMAGES["service"])[-1], stages(IMAGES["jobs"])[-1]
    assert service.listed("ENTRYPOINT") == ["lookdex"]
    assert_parses(service.listed("CMD"), service.environment | {"LOOKDEX_CATALOG": "shop"})
    assert jobs.listed("ENTRYPOINT") == ["tini", "--"]
    assert jobs.listed("CMD") == ["lookdex", "--help"]


def test_health_check_succeeds_only_while_the_service_runs(page_service: Service) -> None:
    (check,) = stages(IMAGES["service"])[-1].all("HEALTHCHECK")
    command = json.loads(check[check.index("CMD") + 3 :])
    assert command[0] == "python"
    port = SETTINGS["port"].default
    for service_port, code in ((page_service.url.rsplit(":", 1)[1], 0), ("9", 1)):
        words = [word.replace(f":{port}", f":{service_port}") for word in command[1:]]
        assert words != command[1:]
        done = subprocess.run([sys.executable, "-S", *words], capture_output=True)
        assert done.returncode == code


# ── Kubernetes ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_is_valid(name: str, version: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_probes_use_paths_and_port_of_the_service(page_service: Service) -> None:
    paths = {
        name: SERVICE[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    for path in set(paths.values()):
        assert page_service.web.get(path).status_code == 200
    (port,) = SERVICE["ports"]
    environment = stages(IMAGES["service"])[-1].environment
    assert environment["LOOKDEX_PORT"] == str(port["containerPort"])
    startup = SERVICE["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 120


def test_pods_have_time_to_drain() -> None:
    drain = next(e["value"] for e in SERVICE["env"] if e["name"] == "LOOKDEX_DRAIN_SECONDS")
    sleep = SERVICE["lifecycle"]["preStop"]["exec"]["command"]
    assert DEPLOYMENT["terminationGracePeriodSeconds"] > float(drain) + float(sleep[1])
    assert (
        int(COMPOSE["services"]["service"]["stop_grace_period"].removesuffix("s"))
        > ServiceSettings().drain_seconds
    )


@pytest.mark.parametrize("pod", [DEPLOYMENT, NIGHT], ids=["service", "night"])
def test_pods_are_unprivileged_with_a_read_only_root(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # LOOKDEX_PORT=tcp://… beside a Service called lookdex
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip
    assert {"memory", "cpu"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume["emptyDir"] for volume in pod["volumes"]}
    assert "/tmp" in mounts
    if pod is DEPLOYMENT:
        assert volumes[mounts["/dev/shm"]]["medium"] == "Memory"


def test_pod_commands_are_valid() -> None:
    secret = MANIFESTS["secret.yaml Secret"]["stringData"]
    assert_parses(
        SERVICE["args"],
        {e["name"]: e["value"] for e in SERVICE["env"]} | {"LOOKDEX_TOKENS": secret["LOOKDEX_TOKENS"]},
    )
    (container,) = NIGHT["containers"]
    program, *words = container["args"]
    assert program == "lookdex"
    assert_parses(words, {e["name"]: e["value"] for e in container["env"]})


# ── Compose ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_compose_file_is_valid() -> None:
    command = ["--builtin-schema", "vendor.compose-spec", str(INFRA / "compose.yaml")]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_compose_commands_are_valid() -> None:
    for name, service in COMPOSE["services"].items():
        if "build" not in service:
            continue
        assert (INFRA / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        command = service.get("command")
        words = shlex.split(command) if isinstance(command, str) else command or ["lookdex", "serve"]
        if words[0] == "lookdex":
            assert_parses(words[1:], service["environment"])
        else:
            assert words[:2] == ["python", "-c"], name
            compile(words[2], name, "exec")
