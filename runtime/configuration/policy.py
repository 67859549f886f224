"""Policy: the sections of policy.yaml, each the settings model of the room that owns it.

A section or value that is left out takes its default; without a policy.yaml all of them do.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from alerting.lifecycle import LifecyclePolicy
from alerting.routing import RoutingPolicy
from detectors.fire import FireParameters
from detectors.flash_flood import FlashFloodParameters
from detectors.landslide import LandslideParameters
from detectors.rain import RainParameters
from detectors.seismic.parameters import SeismicParameters
from detectors.silence import SilenceParameters
from ingest.quality import QualityParameters
from runtime.configuration.areas import FILE as AREAS_FILE
from runtime.configuration.areas import AreaTable
from runtime.configuration.documents import Document, validated
from runtime.configuration.faults import Faults
from runtime.configuration.tables import did_you_mean
from schemas.packet import COLUMNS

FILE = "policy.yaml"


class Policy(BaseModel):
    """All sections, in the order in which the pipeline uses them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    quality: QualityParameters = QualityParameters()
    rain: RainParameters = RainParameters()
    flash_flood: FlashFloodParameters = FlashFloodParameters()
    landslide: LandslideParameters = LandslideParameters()
    seismic: SeismicParameters = SeismicParameters()
    fire: FireParameters = FireParameters()
    silence: SilenceParameters = SilenceParameters()
    lifecycle: LifecyclePolicy = LifecyclePolicy()
    routing: RoutingPolicy = RoutingPolicy()


SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Policy.model_fields.items()
    if isinstance(field.annotation, type)
}


def read_policy(document: Document, faults: Faults) -> Policy | None:
    """The policy of a document; None where one of its sections has a fault."""
    sections: dict[str, Any] = {}
    whole = True
    for name, content in document.content.items():
        model = SECTIONS.get(str(name))
        if model is None:
            whole = False
            hint = did_you_mean(str(name), [*SECTIONS])
            known = ", ".join(SECTIONS)
            document.fault(faults, (str(name),), f"{name} is no section{hint}; known are {known}.")
            continue
        section = validated(document, (name,), content, model, faults)
        if section is None:
            whole = False
        else:
            sections[name] = section
    return Policy(**sections) if whole else None


def check_names(policy: Policy, areas: AreaTable, document: Document, faults: Faults) -> None:
    """Name areas and fields in the policy that there are not."""
    for code in policy.flash_flood.areas:
        if areas.lacks(code):
            document.fault(
                faults,
                ("flash_flood", "areas", code),
                f"flash_flood.areas has area {code}, which {AREAS_FILE} lacks; add the area or mend the code.",
            )
    fields = [*COLUMNS["landslide"]]
    for field in policy.quality.fields:
        if field not in fields:
            hint = did_you_mean(field, fields)
            known = ", ".join(fields)
            document.fault(
                faults,
                ("quality", "fields", field),
                f"quality.fields.{field} limits nothing that a landslide point measures{hint}; known are {known}.",
            )
