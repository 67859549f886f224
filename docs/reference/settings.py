"""Settings as rows: what stands in fenghuo.yaml and policy.yaml, of which type, by default what, to do what.

A setting's description is found where its room wrote it: in `Field(description=…)`, in the class's NumPy section
`Attributes` or `Parameters`, or in the string below the field, which also speaks for the fields directly above it that
share its first word (`fast_hits`, `fast_frames`, `fast_window_s`).
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo


class Row(NamedTuple):
    """One setting. `name` is dotted; `…` stands for a name or a place in a list."""

    name: str
    type: str
    default: str
    does: str


def rows_of(model: type[BaseModel]) -> Iterator[Row]:
    """Yield every setting of a model and of the models in it."""
    yield from _rows(model, _shipped(model), "", ())


def _rows(
    model: type[BaseModel], shipped: BaseModel | None, above: str, outer: tuple[type[BaseModel], ...]
) -> Iterator[Row]:
    descriptions = descriptions_of(model)
    for name, field in model.model_fields.items():
        path = f"{above}{field.alias or name}"
        value = None if shipped is None else getattr(shipped, name)
        inner = [found for found in models_in(field.annotation) if found not in outer]
        direct = len(inner) == 1 and inner[0] in _alternatives(field.annotation)
        if not direct:
            default = "must be given" if shipped is None and field.is_required() else default_of(field, value)
            yield Row(path, spelled(field.annotation), default, descriptions.get(name, ""))
        for found in inner:
            given = value if isinstance(value, found) else _shipped(found)
            yield from _rows(found, given, f"{path}." if direct else f"{path}.….", (*outer, model, found))


def _shipped(model: type[BaseModel]) -> BaseModel | None:
    """The model with its defaults as its validators leave them; None where something must be given."""
    try:
        return model()
    except ValidationError:
        return None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; of anything else itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation names, however deep (`dict[str, X] | None`)."""
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


_PLAIN = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "NoneType": "null",
}


def spelled(annotation: Any) -> str:
    """Return a type as a reader of YAML understands it."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return spelled(parts[0])
    if origin is typing.Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(spelled(part) for part in parts))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"{spelled(parts[1])} by {spelled(parts[0])}"
    if origin is not None:
        return "list of " + " or ".join(dict.fromkeys(spelled(part) for part in parts if part is not ...))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "group"
    name = getattr(annotation, "__name__", str(annotation))
    return _PLAIN.get(name, name.lower())


def default_of(field: FieldInfo, value: Any) -> str:
    """Return a default as YAML may say it."""
    if value is None:
        value = field.get_default(call_default_factory=True, validated_data={})
    if models_in(field.annotation) and value:
        return "as shipped"
    plain = TypeAdapter(Any).dump_python(value, mode="json")
    text = plain if isinstance(plain, str) and plain else json.dumps(plain, ensure_ascii=False)
    return f"`{text}`"


def descriptions_of(model: type[BaseModel]) -> dict[str, str]:
    """Return what is said of each field; where nothing is said of any, what is said of the model."""
    said: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            said |= _in_section(inspect.cleandoc(cls.__doc__ or ""))
            said |= _below_fields(cls)
    said |= {name: field.description for name, field in model.model_fields.items() if field.description}
    if not set(said) & set(model.model_fields) and model.__doc__:
        said = dict.fromkeys(model.model_fields, inspect.cleandoc(model.__doc__).split("\n\n")[0])
    return said


def _in_section(doc: str) -> dict[str, str]:
    section = re.search(
        r"^(?:Attributes|Parameters)\n-+\n(.*?)(?=^\w.*\n---|\Z)", doc, re.MULTILINE | re.DOTALL
    )
    if section is None:
        return {}
    entries = re.findall(r"^(\w[\w, ]*)(?: :.*)?\n((?:[ ]+.*\n?|\n)+)", section[1], re.MULTILINE)
    return {name: _one_line(text) for names, text in entries for name in re.split(r",\s*", names)}


def _below_fields(cls: type[BaseModel]) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    said: dict[str, str] = {}
    waiting: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            waiting.append(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and waiting:
            family = waiting[-1].split("_")[0]
            while waiting and waiting[-1].split("_")[0] == family:
                said[waiting.pop()] = _one_line(str(node.value.value))
            waiting = []
    return said


def _one_line(text: str) -> str:
    return " ".join(text.split())
