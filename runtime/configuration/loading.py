"""Load a folder: every file of a configuration read, checked against the others, and made one bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from runtime.configuration.areas import FILE as AREAS_FILE
from runtime.configuration.areas import read_areas
from runtime.configuration.documents import read_document
from runtime.configuration.faults import ConfigurationError, Faults
from runtime.configuration.outlines import outline_file
from runtime.configuration.policy import FILE as POLICY_FILE
from runtime.configuration.policy import Policy, check_names, read_policy
from runtime.configuration.reach import check_reach
from runtime.configuration.recipients import FILE as RECIPIENTS_FILE
from runtime.configuration.recipients import read_recipients
from runtime.configuration.settings import CHANNELS, Settings, read_settings
from runtime.configuration.settings import FILE as SETTINGS_FILE
from runtime.configuration.stations import FILE as STATIONS_FILE
from runtime.configuration.stations import read_stations
from runtime.configuration.tables import did_you_mean
from schemas.bundle import Bundle

FILES = (AREAS_FILE, STATIONS_FILE, RECIPIENTS_FILE, POLICY_FILE, SETTINGS_FILE)
SUFFIXES = {".csv", ".yaml", ".yml"}


@dataclass(frozen=True)
class Configuration:
    """A configuration without faults.

    Attributes
    ----------
    folder
        Where it was read.
    bundle
        All that decisions read, with its hash (docs/exactness.md, rule 17).
    policy
        The sections of policy.yaml as models; the same content as `bundle.policy`.
    settings
        fenghuo.yaml: servers, ports, clock. No decision reads it but for status and association tier.
    posts, addresses
        By recipient, what it is called, and its address for each channel; for dispatchers only.
    outlines
        The GeoJSON file of outlines for maps; None where there is none.
    """

    folder: Path
    bundle: Bundle
    policy: Policy
    settings: Settings
    posts: Mapping[str, str]
    addresses: Mapping[str, Mapping[str, str]]
    outlines: Path | None


def load(folder: Path | str, program: str | None = None) -> Configuration:
    """The configuration of a folder.

    Parameters
    ----------
    program
        The command that runs, where it connects to servers: its name stands for `{program}` in the settings.

    Raises
    ------
    ConfigurationError
        With every fault, one a line.
    """
    configuration, faults = examine(Path(folder))
    if configuration is None:
        raise ConfigurationError(faults)
    if program is None:
        return configuration
    return replace(configuration, settings=configuration.settings.of_program(program))


def examine(folder: Path) -> tuple[Configuration | None, Faults]:
    """The configuration of a folder, or None where it has faults; and the faults."""
    faults = Faults()
    if not folder.is_dir():
        faults.add(str(folder), 0, "is no folder; name the folder that holds areas.csv and stations.csv.")
        return None, faults
    _check_files(folder, faults)
    areas = read_areas(folder, faults)
    stations = read_stations(folder, areas, faults)
    directory = read_recipients(folder, areas, CHANNELS, faults)
    policy_document = read_document(folder, POLICY_FILE, faults)
    policy = read_policy(policy_document, faults)
    settings = read_settings(read_document(folder, SETTINGS_FILE, faults), faults)
    if policy is not None:
        with_recipients = (folder / RECIPIENTS_FILE).exists()
        check_names(policy, areas, policy_document, faults)
        check_reach(policy, areas, directory if with_recipients else None, policy_document, faults)
    if len(faults) or policy is None or settings is None:
        return None, faults
    bundle = Bundle.of(
        areas=areas.index,
        stations=stations,
        recipients=directory.recipients,
        policy=policy.model_dump(mode="json"),
        status=settings.status,
        association_tier=settings.association_tier,
    )
    found = Configuration(
        folder, bundle, policy, settings, directory.posts, directory.addresses, outline_file(folder)
    )
    return found, faults


def _check_files(folder: Path, faults: Faults) -> None:
    """A table or document that nothing reads is a fault: it is a slip of the pen, or from a later release."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in SUFFIXES and path.name not in FILES:
            hint = did_you_mean(path.name, FILES)
            faults.add(path.name, 0, f"is read by nothing{hint}; rename it or take it away.")
    for path in sorted(folder.glob("feeds/*.y*ml")):
        faults.add(f"feeds/{path.name}", 0, "is read by nothing in this release: no feeds yet; take it away.")
