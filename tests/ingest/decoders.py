"""What every decoder must keep, whatever its format: one line in a decoder's test runs it all.

@pytest.mark.parametrize("check", every_decoder_passes, ids=lambda check: check.__name__)
def test_canonical_keeps_the_contract(check):
    check(Subject(decoded, (GOOD, ...)))
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.reading import READING
from schemas.reject import Reject
from schemas.times import to_micros
from schemas.wire import ENCODER, Said


@dataclass(frozen=True)
class Subject:
    """A decoder as bytes to readings and rejects, and samples of its format that are good."""

    decode: Callable[[bytes], Sequence[Said | Reject]]
    samples: Sequence[bytes]


def good_samples_are_readings(subject: Subject) -> None:
    """A good sample gives readings and no reject, and the models accept each."""
    for sample in subject.samples:
        items = subject.decode(sample)
        assert items
        for item in items:
            assert not isinstance(item, Reject), item
            READING.validate_json(ENCODER.encode(item))
            assert to_micros(item.observed_at) > 0


def decoding_is_repeatable(subject: Subject) -> None:
    """The same bytes give the same, and are not changed."""
    for sample in subject.samples:
        before = bytes(sample)
        assert subject.decode(sample) == subject.decode(sample)
        assert sample == before


def anything_is_a_reading_or_a_reject(subject: Subject) -> None:
    """No bytes raise, and what is refused says why, where it came from, and keeps what came."""

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=3000))
    def holds(content: bytes) -> None:
        _explained(subject.decode(content))

    holds()


def damaged_samples_are_readings_or_rejects(subject: Subject) -> None:
    """A good sample with some bytes changed or its end torn off raises nothing."""

    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, len(subject.samples) - 1), st.integers(0, 2**32 - 1))
    def holds(which: int, seed: int) -> None:
        chance, content = random.Random(seed), bytearray(subject.samples[which])
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        _explained(subject.decode(bytes(content[: chance.randint(1, len(content))])))

    holds()


def nothing_is_not_silence(subject: Subject) -> None:
    """Bytes that hold no reading give a reject: nothing is dropped in silence."""
    for content in (b"\x00" * 64, b"no reading at all", b"\xff" * 48):
        items = subject.decode(content)
        assert items
        assert all(isinstance(item, Reject) for item in items)


def _explained(items: Sequence[Said | Reject]) -> None:
    for item in items:
        if isinstance(item, Reject):
            assert item.detail
            assert item.source
            assert item.id


every_decoder_passes: tuple[Callable[[Subject], None], ...] = (
    good_samples_are_readings,
    decoding_is_repeatable,
    anything_is_a_reading_or_a_reject,
    damaged_samples_are_readings_or_rejects,
    nothing_is_not_silence,
)
