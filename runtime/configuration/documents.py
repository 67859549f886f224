"""Documents: YAML files read with the place of every value, and checked against pydantic models.

A fault of a value names its line and column; a field that no model knows is a fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runtime.configuration.faults import Faults
from runtime.configuration.tables import did_you_mean, read_text

Model = TypeVar("Model", bound=BaseModel)
KeyPath = tuple[str | int, ...]


class Document:
    """A YAML file: its content, and where each value stands."""

    def __init__(self, file: str, content: Any, places: Mapping[KeyPath, tuple[int, int]]) -> None:
        self.file = file
        self.content = content
        self._places = places

    def has(self, path: KeyPath) -> bool:
        """Whether the document has a value at a path."""
        return path in self._places

    def place(self, path: KeyPath) -> tuple[int, int]:
        """Line and column of a value, or of the nearest that contains it."""
        while path not in self._places and path:
            path = path[:-1]
        return self._places.get(path, (0, 0))

    def fault(self, faults: Faults, path: KeyPath, message: str) -> None:
        """Note a fault of the value at a path."""
        line, column = self.place(path)
        faults.add(self.file, line, message, column)


def read_document(folder: Path, file: str, faults: Faults) -> Document:
    """A YAML file that holds a mapping; an empty document where it is missing, empty or no YAML."""
    if not (folder / file).exists():
        return Document(file, {}, {})
    text = read_text(folder, file, faults)
    if text is None:
        return Document(file, {}, {})
    try:
        loader = yaml.CSafeLoader(text)
        node = loader.get_single_node()
        places = _Places(file, faults)
        if node is not None:
            places.walk(node, ())
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        faults.add(
            file, line, f"is no YAML here ({error.problem}); mend indentation, quotes or colons.", column
        )
        return Document(file, {}, {})
    except RecursionError:
        faults.add(file, 0, "is nested too deeply; mend it.")
        return Document(file, {}, {})
    except (yaml.YAMLError, ValueError) as error:
        faults.add(file, 0, f"is no YAML ({error}); mend it.")
        return Document(file, {}, {})
    if content is not None and not isinstance(content, dict):
        faults.add(file, 1, "holds no settings; write them as `name: value`.", 1)
        content = None
    return Document(file, content or {}, places.of)


class _Places:
    """Collects where keys stand, and keys that stand twice."""

    def __init__(self, file: str, faults: Faults) -> None:
        self.of: dict[KeyPath, tuple[int, int]] = {}
        self._met: set[int] = set()
        self._file = file
        self._faults = faults

    def walk(self, node: yaml.Node, path: KeyPath) -> None:
        self.of.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if id(node) in self._met:
            return  # an alias: walked where it is defined, and it may hold itself
        self._met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.walk(item, (*path, index))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                line, column = key.start_mark.line + 1, key.start_mark.column + 1
                if inner in self.of:
                    first = self.of[inner][0]
                    message = f"{dotted(inner)} stands on line {first} already; take one away."
                    self._faults.add(self._file, line, message, column)
                self.of[inner] = (line, column)
                self.walk(value, inner)


def validated(
    document: Document, section: KeyPath, content: Any, model: type[Model], faults: Faults
) -> Model | None:
    """The content as its model; every fault of it named at its place, and None where there is one."""
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        for detail in error.errors():
            path = (*section, *_without_tags(detail["loc"], content))
            document.fault(faults, _named_first(document, path, detail["msg"]), sentence(path, detail, model))
        return None


def _named_first(document: Document, path: KeyPath, message: str) -> KeyPath:
    """The path of the setting with which a sentence about several begins, where the document has it; else `path`."""
    word = message.removeprefix("Value error, ").partition(" ")[0].rstrip(":")
    keys = tuple(word.split("."))
    return next((place for place in ((*path, *keys), keys) if document.has(place)), path)


def dotted(path: KeyPath) -> str:
    """A path as people write it: `routes[0].level`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _without_tags(path: KeyPath, content: Any) -> KeyPath:
    # Pydantic puts the names of a union's members between the keys; only keys that the content has are places.
    kept: list[str | int] = []
    for index, part in enumerate(path):
        last = index == len(path) - 1
        if isinstance(content, dict):
            keys = {str(key): value for key, value in content.items()}
            part = str(part)
            if part in keys:
                content = keys[part]
            elif not last or part == "[key]":
                continue
        elif isinstance(content, list) and isinstance(part, int) and part < len(content):
            content = content[part]
        else:
            continue
        kept.append(part)
    return tuple(kept)


def sentence(path: KeyPath, detail: ErrorDetails, model: type[BaseModel]) -> str:
    """What is wrong with the value at a path, by the model's word, and how to mend it."""
    name = dotted(path) or "the file"
    kind, message = detail["type"], detail["msg"]
    if kind == "extra_forbidden":
        known = _fields_at(model, detail["loc"][:-1])
        hint = did_you_mean(str(path[-1]), known)
        listed = f"; known are {', '.join(sorted(known))}" if known else ""
        return f"{name} is no setting{hint}{listed}."
    if kind == "missing":
        return f"{name} is missing; add it."
    if kind in ("value_error", "assertion_error"):
        said = message.removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".") + "."
        return f"{name}: {said}" if path and not said.startswith((f"{name}:", f"{name}.")) else said
    wanted = message[0].lower() + message[1:]
    hint = (
        "; write it in quotes" if kind == "string_type" and isinstance(detail["input"], int | float) else ""
    )
    return f"{name} is {_shown(detail['input'])}: {wanted}{hint}."


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields_at(model: Any, path: KeyPath) -> list[str]:
    """Names of the settings of the model that stands at a path of errors; [] where that cannot be told."""
    models = _models(model)
    for part in path:
        inner: list[type[BaseModel]] = []
        for candidate in models:
            field = candidate.model_fields.get(str(part))
            if field is not None:
                inner += _models(field.annotation)
        # A part that names no field is an index, a key of a mapping or a union's member: the models stay.
        models = inner or models
    return sorted({name for candidate in models for name in candidate.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return []
