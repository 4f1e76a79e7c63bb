"""People: who they are, what they care about, when they are awake. One row per account, one array per trait.

Traits are drawn independently of what any detector looks at: subjects from a popularity list, volumes from a
log-normal distribution with heavy tails, time zones from where a language is spoken.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .grammar import Grammar, Texts, read_language
from .settings import SimulationSettings

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
N_SUBJECTS = 4  # subjects a person may have, the first the dearest
MODELS = ("atlas-1-mini", "atlas-1", "atlas-1-large")
NEW_MODEL = "atlas-2"

_ZONES = {
    "en": (-8.0, -7.0, -6.0, -5.0, -5.0, 0.0, 0.0, 5.5, 8.0, 10.0, 12.0, 1.0),
    "es": (-6.0, -5.0, -5.0, -3.0, 1.0, 1.0),
    "de": (1.0,),
    "fr": (1.0, 1.0, 1.0, -5.0, 0.0),
    "zh": (8.0,),
    "ja": (9.0,),
    "ar": (2.0, 3.0, 3.0, 4.0, 1.0),
}
_ROLES = (
    "a helpful assistant", "a patient tutor", "a concise coding assistant", "the voice of a small shop",
    "an editor", "a travel planner", "a sarcastic robot", "a recipe finder", "a note taker",
)  # fmt: skip
_RULES = (
    "", " Answer briefly.", " Never mention prices.", " Reply in the user's language.", " Use Markdown.",
    " If you do not know, say so.", " Keep a friendly tone.", " Do not use emojis.",
)  # fmt: skip
# How often the first language, the second, … are spoken; further ones like the last.
_SPOKEN = (0.62, 0.1, 0.07, 0.06, 0.06, 0.05, 0.04)


@dataclass(frozen=True)
class Taste:
    """What differs from one world to the next.

    Parameters
    ----------
    popularity : (cells,) float64, how many people have a subject, relative to the others of its language.
    spoken : (languages,) float64, shares that add up to 1, the first the largest.
    volume_spread : standard deviation of the logarithm of people's volumes.
    talkers : share of the accounts whose client sends conversations.
    chatty : scale of the share of greetings.
    bursty : share of the accounts that are active in one to three days on end.
    """

    popularity: NDArray[np.float64]
    spoken: NDArray[np.float64]
    volume_spread: float
    talkers: float
    chatty: float
    bursty: float


@dataclass(frozen=True)
class World:
    """What everybody in a simulation shares: settings, grammars (a cell per language and subject), taste."""

    settings: SimulationSettings
    grammars: tuple[Grammar, ...]
    cell_language: NDArray[np.int64]
    taste: Taste

    @property
    def window_us(self) -> int:
        """Length of the log in microseconds."""
        return self.settings.days * DAY_US

    @property
    def release_us(self) -> int:
        """When the new model comes out, microseconds after the start; after the end when it never does."""
        day = self.settings.release_day
        return 2 * self.window_us if day is None else int(day * DAY_US)

    def cells_of(self, language: int) -> NDArray[np.int64]:
        """The cells of a language, by its place in ``settings.languages``."""
        return np.flatnonzero(self.cell_language == language)


@dataclass(frozen=True)
class People:
    """Accounts; every array has one row per account.

    ``cells`` (n, 4) with cumulative probabilities ``cell_cumulated``; ``shift`` turns phrase lists to the
    person's favourites; ``hours`` is a row of ``schedule.HOURS``; ``zone`` in hours; ``joined`` in days after
    the start; ``burst`` in whole days, 0 for people who come all the time; ``volume`` relative; ``chatty``,
    ``sloppy``, ``habit`` are probabilities; ``talks`` is that of going on with a conversation, 0 for a client
    that sends bare prompts; ``in_app``: its sessions are logged; ``adopts_us`` is the moment from which the
    account uses the new model.
    """

    account_id: Texts
    org_id: Texts
    system_prompt: Texts
    language: NDArray[np.int64]
    cells: NDArray[np.int64]
    cell_cumulated: NDArray[np.float64]
    shift: NDArray[np.int64]
    hours: NDArray[np.int64]
    zone: NDArray[np.float64]
    joined: NDArray[np.float64]
    burst: NDArray[np.int64]
    volume: NDArray[np.float64]
    chatty: NDArray[np.float64]
    sloppy: NDArray[np.float64]
    habit: NDArray[np.float64]
    talks: NDArray[np.float64]
    in_app: NDArray[np.bool_]
    lowercase: NDArray[np.bool_]
    bare: NDArray[np.bool_]
    model: NDArray[np.int64]
    adopts_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.account_id)

    def take(self, rows: NDArray[np.int64]) -> People:
        """The people in `rows`, in that order."""
        return People(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def make_world(settings: SimulationSettings, *, seed: int = 0) -> World:
    """Read the grammars of the settings' languages, and draw from `seed` what is popular in this world."""
    grammars: list[Grammar] = []
    languages: list[int] = []
    for place, language in enumerate(settings.languages):
        of_subject = read_language(language)
        grammars += of_subject.values()
        languages += [place] * len(of_subject)
    cell_language = np.array(languages, dtype=np.int64)
    taste = _draw_taste(cell_language, rng=np.random.default_rng([seed, *b"taste"]))
    return World(settings, tuple(grammars), cell_language, taste)


def _draw_taste(cell_language: NDArray[np.int64], *, rng: np.random.Generator) -> Taste:
    rank = np.empty(len(cell_language))
    for language in np.unique(cell_language):
        own = np.flatnonzero(cell_language == language)
        rank[own] = rng.permutation(len(own)) + 1
    n_languages = int(cell_language.max()) + 1
    usual = np.array([_SPOKEN[min(place, len(_SPOKEN) - 1)] for place in range(n_languages)])
    spoken = np.sort(usual * rng.lognormal(0.0, 0.35, n_languages))[::-1]
    return Taste(
        popularity=rank ** -rng.uniform(0.3, 1.1),
        spoken=spoken / spoken.sum(),
        volume_spread=rng.uniform(1.05, 1.6),
        talkers=rng.uniform(0.3, 0.8),
        chatty=rng.uniform(0.6, 1.4),
        bursty=rng.uniform(0.05, 0.35),
    )


def make_people(world: World, n: int, *, rng: np.random.Generator) -> People:
    """Draw `n` people."""
    taste = world.taste
    language = rng.choice(len(taste.spoken), size=n, p=taste.spoken)
    cells, cumulated = _interests(world, language, rng=rng)
    zone = np.empty(n)
    for place, name in enumerate(world.settings.languages):
        rows = np.flatnonzero(language == place)
        zone[rows] = rng.choice(_ZONES[name], size=len(rows))
    system_prompt = np.full(n, None, dtype=object)
    builders = np.flatnonzero(rng.random(n) < 0.05)
    system_prompt[builders] = _own_system_prompts(len(builders), rng=rng)
    # A third were customers before; the rest arrive evenly, as a growing service would see them.
    joined = np.where(rng.random(n) < 0.65, 0.0, rng.random(n) * world.settings.days * 0.95)
    adopts = world.release_us + rng.exponential(6 * DAY_US, n) + (rng.random(n) < 0.25) * 10 * world.window_us
    return People(
        account_id=account_ids(n, rng=rng),
        org_id=_organisations(n, rng=rng),
        system_prompt=system_prompt,
        language=language,
        cells=cells,
        cell_cumulated=cumulated,
        shift=rng.integers(0, 1 << 20, n),
        hours=rng.choice(6, size=n, p=(0.3, 0.28, 0.24, 0.08, 0.06, 0.04)),
        zone=zone,
        joined=joined,
        burst=(rng.random(n) < taste.bursty) * rng.integers(1, 4, n),
        volume=rng.lognormal(0.0, taste.volume_spread, n),
        chatty=taste.chatty * rng.beta(0.6, 6.0, n),
        sloppy=rng.beta(0.5, 5.0, n),
        habit=(rng.random(n) < 0.04) * rng.uniform(0.3, 0.95, n),
        talks=(rng.random(n) < taste.talkers) * rng.beta(3.0, 2.0, n),
        in_app=rng.random(n) < 0.6,
        lowercase=rng.random(n) < 0.3,
        bare=rng.random(n) < 0.35,
        model=rng.choice(len(MODELS), size=n, p=(0.35, 0.45, 0.2)),
        adopts_us=adopts.astype(np.int64),
    )


def joined_people(first: People, second: People) -> People:
    """The rows of one after those of the other."""
    return People(
        **{f.name: np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(People)}
    )


def account_ids(n: int, *, rng: np.random.Generator) -> Texts:
    """`n` ids of 60 random bits, so that an id says nothing about its account."""
    return np.array([f"acct_{v:015x}" for v in rng.integers(0, 1 << 60, n).tolist()], dtype=object)


def organisation_ids(n: int, *, rng: np.random.Generator) -> Texts:
    """`n` ids of 40 random bits."""
    return np.array([f"org_{v:010x}" for v in rng.integers(0, 1 << 40, n).tolist()], dtype=object)


def _interests(
    world: World, language: NDArray[np.int64], *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Subjects of each person and their cumulated shares; one in eight is in the first language anyway."""
    n = len(language)
    cells = np.empty((n, N_SUBJECTS), dtype=np.int64)
    spoken = np.repeat(language[:, None], N_SUBJECTS, axis=1)
    spoken[rng.random((n, N_SUBJECTS)) < 0.12] = 0
    for place in np.unique(spoken):
        rows = spoken == place
        own = world.cells_of(int(place))
        shares = world.taste.popularity[own]
        cells[rows] = rng.choice(own, size=int(rows.sum()), p=shares / shares.sum())
    shares = rng.exponential(1.0, (n, N_SUBJECTS)) * np.array([2.0, 0.8, 0.3, 0.15])
    cumulated = np.cumsum(shares, axis=1)
    return cells, cumulated / cumulated[:, -1:]


def _organisations(n: int, *, rng: np.random.Generator) -> Texts:
    """Organisation of each person, None for nine of ten; sizes are heavy-tailed."""
    out = np.full(n, None, dtype=object)
    members = rng.permutation(n)[: n // 12]
    ids = organisation_ids(len(members) // 5 + 1, rng=rng)
    out[members] = ids[(len(ids) * rng.random(len(members)) ** 2).astype(np.int64)]
    return out


def _own_system_prompts(n: int, *, rng: np.random.Generator) -> Texts:
    """System prompts of people who build something: mostly their own, some the same words as others'."""
    first, last = rng.integers(0, len(_ROLES), n), rng.integers(0, len(_RULES), n)
    return np.array(
        [f"You are {_ROLES[a]}.{_RULES[b]}" for a, b in zip(first, last, strict=True)], dtype=object
    )
