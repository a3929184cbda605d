"""Writes an invented, seeded table of crowdfunding campaigns, with the columns, quirks and rates of the real one.

Usage: python synthetic/campaigns.py --rows 50000 --seed 20180103 --output campaigns.csv [--truth truth.csv]

Whether a campaign succeeds is drawn from a probability that depends on facts known at launch alone; --truth
writes it, so that a model can be compared with the best one possible. The table itself does not hold it.
Same rows and seed, same bytes: draws are uniform doubles, which are exact, and whatever goes through exp or log
is rounded before it is compared or written, since these differ in the last bit between machines.
"""

import argparse
import csv
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Times = NDArray[np.datetime64]

COLUMNS = (
    *("ID", "name", "category", "main_category", "currency", "deadline", "goal", "launched", "pledged", "state"),
    *("backers", "country", "usd pledged", "usd_pledged_real", "usd_goal_real"),
)

FIRST_DAY, OBSERVED_DAY = np.datetime64("2009-04-21"), np.datetime64("2018-01-03")
LAUNCHES_A_QUARTER = (  # from the second quarter of 2009 to the last of 2017, then two days of 2018
    *(3, 20, 14, 30, 59, 72, 84, 143, 182, 188, 186, 267, 323, 270, 260, 287, 340, 303, 301),
    *(280, 421, 671, 454, 550, 528, 487, 381, 417, 414, 354, 362, 348, 369, 322, 306, 100),
)
WEEKDAY_WEIGHTS = (167, 202, 180, 161, 145, 89, 57)  # from Monday
DECEMBER_WEIGHT = 0.65
HOUR_WEIGHTS = (58, 55, 43, 38, 31, 30, 27, 21, 16, 19, 16, 14, 17, 23, 27, 39, 48, 68, 75, 70, 69, 70, 65, 64)
DAYS_WEIGHTS = {30: 450, 60: 88, 45: 46, 31: 30, 40: 25, 35: 24, 32: 16, 29: 15, 21: 15, 33: 14, 25: 12, 20: 12, 15: 11}
OTHER_DAYS_WEIGHT = 4.2
LONG_UNTIL = np.datetime64("2011-06-16")  # the longest campaign came down from 90 days to 60
LONG_DAYS_WEIGHTS = {90: 90, 75: 20, 61: 10, 91: 6, 89: 6, 92: 2}


@dataclass(frozen=True)
class Main:
    """How campaigns of one main category fare, and its categories with their weights."""

    base: float  # log-odds, solved for the real success rates
    goal: tuple[float, float]  # mean and deviation of the goal's log10, USD
    sweet_spot: float  # log10 of the goal that fares best, USD
    goal_slope: float  # log-odds for ten times the goal
    drift: float  # log-odds a year
    colon: float  # log-odds of a name with a colon
    shout: float  # log-odds of a name with an exclamation mark
    categories: str


MAIN_CATEGORIES = {
    "Art": Main(
        *(-0.97, (3.43, 0.76), 3.0, -0.95, 0.03, 0.12, -0.15),
        "Art 224,Public Art 99,Illustration 87,Painting 84,Mixed Media 78,Performance Art 63,Sculpture 51,"
        "Digital Art 36,Conceptual Art 32,Ceramics 9,Video Art 9,Installations 4,Textiles 2",
    ),
    "Comics": Main(
        *(-0.19, (3.53, 0.63), 3.7, -0.64, 0.04, 0.15, 0.17),
        "Comics 157,Comic Books 57,Graphic Novels 38,Anthologies 16,Webcomics 14,Events 5",
    ),
    "Crafts": Main(
        *(-2.18, (3.26, 0.75), 2.6, -1.13, -0.02, -0.1, 0.12),
        "Crafts 95,DIY 44,Woodworking 36,Candles 9,Printing 9,Stationery 7,Crochet 7,Glass 6,Knitting 6,Weaving 4,"
        "Letterpress 4,Embroidery 2,Pottery 2,Quilts 1",
    ),
    "Dance": Main(
        *(-0.19, (3.47, 0.55), 3.6, -1.06, -0.01, 0.05, -0.07),
        "Dance 53,Performances 27,Spaces 6,Workshops 5",
    ),
    "Design": Main(
        *(-0.5, (4.03, 0.72), 4.5, -0.53, 0.06, 0.17, -0.15),
        "Product Design 618,Design 108,Graphic Design 62,Architecture 24,Interactive Design 11,Civic Design 7,Typography 2",
    ),
    "Fashion": Main(
        *(-1.25, (3.75, 0.69), 4.2, -0.78, 0.04, 0.1, -0.1),
        "Fashion 231,Apparel 177,Accessories 81,Jewelry 28,Footwear 27,Ready-to-wear 26,Childrenswear 8,Couture 6,Pet Fashion 3",
    ),
    "Film & Video": Main(
        *(-0.6, (3.85, 0.75), 3.4, -1.09, -0.03, -0.15, 0.07),
        "Documentary 425,Shorts 329,Film & Video 295,Webseries 137,Narrative Film 125,Animation 67,Comedy 54,Drama 54,"
        "Horror 41,Music Videos 26,Television 24,Thrillers 22,Experimental 20,Science Fiction 17,Fantasy 14,Action 13,"
        "Festivals 11,Family 8,Movie Theaters 8,Romance 5",
    ),
    "Food": Main(
        *(-1.01, (3.92, 0.80), 4.3, -0.68, -0.02, -0.1, 0.12),
        "Food 281,Drinks 74,Restaurants 67,Food Trucks 47,Small Batch 34,Farms 28,Vegan 21,Events 20,Cookbooks 12,"
        "Community Gardens 9,Spaces 7,Farmer's Markets 6,Bacon 6",
    ),
    "Games": Main(
        *(-0.58, (3.85, 0.77), 4.2, -0.5, 0.05, 0.17, 0.15),
        "Tabletop Games 388,Video Games 330,Games 84,Playing Cards 75,Mobile Games 53,Live Games 33,Gaming Hardware 8,Puzzles 5",
    ),
    "Journalism": Main(
        *(-2.09, (3.57, 0.80), 3.0, -1.02, -0.02, 0.07, -0.12),
        "Journalism 39,Web 28,Video 12,Audio 11,Print 11,Photo 9",
    ),
    "Music": Main(
        *(-0.5, (3.56, 0.63), 3.5, -1.13, -0.03, -0.17, 0.12),
        "Music 427,Rock 187,Indie Rock 166,Country & Folk 105,Hip-Hop 101,Pop 98,Classical Music 69,World Music 62,"
        "Electronic Music 50,Jazz 48,Faith 26,Metal 19,R&B 13,Kids 10,Punk 7,Blues 4,Latin 3,Comedy 1",
    ),
    "Photography": Main(
        *(-1.19, (3.53, 0.70), 3.9, -0.74, 0.01, 0.12, -0.1),
        "Photography 144,Photobooks 48,People 29,Fine Art 16,Nature 15,Places 13,Animals 7",
    ),
    "Publishing": Main(
        *(-1.39, (3.63, 0.62), 3.2, -1.06, 0.02, 0.12, -0.1),
        "Fiction 256,Nonfiction 213,Children's Books 164,Publishing 135,Art Books 76,Poetry 34,Periodicals 30,"
        "Academic 24,Young Adult 22,Radio & Podcasts 17,Anthologies 16,Calendars 14,Zines 13,Literary Journals 8,"
        "Translations 3,Comedy 1",
    ),
    "Technology": Main(
        *(-1.11, (4.23, 0.74), 4.7, -0.6, 0.01, 0.15, -0.15),
        "Technology 159,Apps 155,Hardware 100,Web 98,Software 78,Gadgets 71,Wearables 28,DIY Electronics 23,Robots 23,"
        "3D Printing 19,Camera Equipment 13,Sound 12,Fabrication Tools 11,Flight 10,Makerspaces 9,Space Exploration 6",
    ),
    "Theater": Main(
        *(0.17, (3.57, 0.68), 3.4, -1.09, -0.02, -0.07, 0.1),
        "Theater 187,Plays 40,Festivals 18,Musical 18,Immersive 9,Experimental 8,Spaces 5,Comedy 5",
    ),
}
MAINS = tuple(MAIN_CATEGORIES.values())
KINDS = tuple(  # (main category's index, category, weight)
    (index, entry.rsplit(" ", 1)[0], float(entry.rsplit(" ", 1)[1]))
    for index, main in enumerate(MAINS)
    for entry in main.categories.split(",")
)
MAIN_OF_KIND: Ints = np.array([index for index, *_ in KINDS], dtype=np.int64)

COUNTRIES = (  # country, currency, first launch, share in thousandths (the US have the rest), log-odds
    ("US", "USD", "2009-04-21", 0, 0.0),
    ("GB", "GBP", "2012-10-31", 115, 0.05),
    ("CA", "CAD", "2013-09-09", 60, -0.075),
    ("AU", "AUD", "2013-11-13", 27, -0.125),
    ("NZ", "NZD", "2013-11-13", 4, -0.05),
    ("NL", "EUR", "2014-04-28", 13, -0.2),
    ("DK", "DKK", "2014-10-20", 4, 0.05),
    ("IE", "EUR", "2014-10-20", 5, -0.15),
    ("SE", "SEK", "2014-10-20", 10, -0.05),
    ("NO", "NOK", "2015-01-26", 3, -0.2),
    ("DE", "EUR", "2015-05-12", 26, -0.2),
    ("FR", "EUR", "2015-05-27", 21, 0.05),
    ("AT", "EUR", "2015-06-15", 4, -0.3),
    ("BE", "EUR", "2015-06-15", 5, -0.15),
    ("ES", "EUR", "2015-06-15", 16, -0.2),
    ("IT", "EUR", "2015-06-15", 22, -0.4),
    ("LU", "EUR", "2015-06-15", 0.5, -0.1),
    ("CH", "CHF", "2015-06-16", 5, -0.15),
    ("HK", "HKD", "2016-08-30", 12, 0.2),
    ("SG", "SGD", "2016-08-30", 6, 0.15),
    ("MX", "MXN", "2016-11-15", 41, -0.3),
    ("JP", "JPY", "2017-09-13", 2.5, 0.05),
)
USD_RATES = (
    {"USD": 1.0, "GBP": 1.525901, "CAD": 0.799457, "AUD": 0.770594, "EUR": 1.115399, "NZD": 0.715182, "SEK": 0.118759}
    | {"DKK": 0.150362, "NOK": 0.120681, "CHF": 1.020971, "HKD": 0.12808, "SGD": 0.717154, "MXN": 0.052661}
    | {"JPY": 0.008821}
)

COMMON_GOALS = (1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 7.5, 8, 10)  # and their tens, hundreds, thousands …
COMMONEST_GOALS = (1, 2, 3, 5, 10)
ABSURD_GOALS = {1.0: 0.0008, 1e6: 0.0004, 1e7: 0.0001, 1e8: 0.0001}  # goal: share of rows

CANCELED_SHARE, SUSPENDED_SHARE, RENAMED_SHARE = 0.1016, 0.0046, 0.589
ODD_COUNTRY, ODD_FROM, ODD_UNTIL, ODD_SHARE = 'N,0"', np.datetime64("2014-05-01"), np.datetime64("2016-05-01"), 0.0291
ODD_UNDEFINED_SHARE = 0.94
STALE_LIVE_ROWS, EPOCH_ROWS = 2e-4, 1e-4  # shares of all rows, and one of each from 5,000 rows on
EPOCH = "1970-01-01 01:00:00"
PLEDGED_TO_GOAL = {  # state: quantiles, the ratio there
    "successful": (
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1),
        (1, 1.003, 1.01, 1.04, 1.17, 1.6, 3.4, 6.5, 29, 99),
    ),
    "failed": ((0, 0.19, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1), (0, 0, 0.0003, 0.02, 0.116, 0.3, 0.43, 0.7, 0.99)),
    "canceled": ((0, 0.31, 0.5, 0.75, 0.9, 0.95, 0.99, 1), (0, 0, 0.009, 0.09, 0.33, 0.55, 1.33, 8)),
    "suspended": ((0, 0.32, 0.5, 0.75, 0.9, 0.95, 1), (0, 0, 0.006, 0.38, 1.35, 1.8, 20)),
    "live": ((0, 0.19, 0.25, 0.5, 0.75, 0.9, 0.95, 1), (0, 0, 0.0007, 0.065, 0.44, 1.5, 2.6, 11)),
    "undefined": ((0, 0.26, 0.5, 0.75, 0.9, 0.95, 1), (0, 0, 0.08, 1.05, 1.23, 1.3, 1.6)),
}
MODEST_USD = 50_000.0  # whoever misses a larger goal raises no more than whoever misses this one
STALE_USD_FROM, STALE_USD_SHARE, STALE_USD_ZERO_SHARE = np.datetime64("2016-06-01"), 0.75, 0.22

WORD_COUNT_WEIGHTS = (4, 9, 13, 13, 13, 12, 11, 9, 7, 5, 3, 1)  # one word to twelve
NOUNS = (
    "album atlas ballad beacon bicycle board book bridge camera canvas circus city clock comet compass dragon engine "
    "festival film forest game garden ghost guitar harbor island journey kitchen lantern library machine map mask "
    "meadow mirror moon mountain museum notebook ocean opera orchard planet podcast poem portrait project puppet radio "
    "record river robot saga school season series song star stage storm story studio tale theater tour tower village "
    "wallet watch wolf workshop zine"
)
ADJECTIVES = (
    "amber ancient brave bright broken clever cosmic crimson curious daily digital electric endless fearless first "
    "forgotten free friendly gentle golden green hidden honest humble infinite invisible last little living lost lucky "
    "midnight mobile modern new northern open organic paper perfect portable quiet rare secret silent simple small "
    "solar southern strange sweet tiny true urban velvet vintage wandering wild wooden young"
)
ACCENTED = "café château fête piñata señorita fjäll größe élan jalapeño rêverie smörgås Übermut 東京 Москва"
JOINERS = "of and for the with in from to beyond under a our"
FORM_SHARES = {"upper": 0.04, "title": 0.33, "lower": 0.03}  # the rest start with a capital
ACCENTED_SHARE = 0.029
MARK_SHARES = {":": 0.165, "!": 0.10, "?": 0.01, ",": 0.068, '"': 0.056}

HOUR_LIFT = (
    *(0.05, 0.0, -0.05, -0.09, -0.11, -0.12, -0.12, -0.11, -0.09, -0.05, 0.0, 0.05),
    *(0.09, 0.11, 0.12, 0.12, 0.11, 0.09, 0.05, 0.0, -0.04, -0.05, -0.02, 0.02),
)
WEEKDAY_LIFT = (0.02, 0.12, 0.06, 0.02, -0.04, -0.14, -0.1)
MONTH_LIFT = (0.0, 0.02, 0.03, 0.02, 0.01, 0.0, -0.03, -0.02, 0.02, 0.03, 0.0, -0.06)
WORDS_LIFT = (-0.14, -0.04, 0.0, 0.03, 0.06, 0.06, 0.04, 0.02, -0.03, -0.06, -0.09, -0.09)
QUESTION_LIFT, UPPER_LIFT, TITLE_LIFT = -0.3, -0.3, 0.1
SWEET_SPOT_LIFT, SWEET_SPOT_WIDTH = 0.8, 0.8
PATIENCE_LIFT = 1.9  # long campaigns help large goals and harm small ones
CATEGORY_DEVIATION, CATEGORY_DRIFT = 0.08, 0.01
NARRATIVE_SEED = 2009  # a category fares alike in every table, whatever the table's seed


@dataclass(frozen=True)
class Launches:
    """What is known of each campaign at its launch."""

    kind: Ints
    country: Ints
    launched_at: Times
    days: Ints
    goal: Floats
    usd_rate: Floats
    name: list[str]

    @property
    def main(self) -> Ints:
        """Index of the main category."""
        return MAIN_OF_KIND[self.kind]

    @property
    def deadline(self) -> Times:
        """The last day."""
        day: Times = self.launched_at.astype("datetime64[D]")
        last: Times = day + self.days.astype("timedelta64[D]")
        return last


@dataclass(frozen=True)
class Outcomes:
    """What became of each campaign."""

    state: NDArray[np.str_]
    is_odd: Flags
    is_epoch: Flags
    pledged: Floats
    usd_pledged: Floats
    backers: Ints


def pick(rng: np.random.Generator, weights: Sequence[float] | Floats, rows: int) -> Ints:
    """Draw indices in proportion to weights."""
    edges = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn: Ints = np.searchsorted(edges, rng.random(rows) * edges[-1], side="right").astype(np.int64)
    return drawn


def bell(rng: np.random.Generator, rows: int) -> Floats:
    """Draw from a near-normal distribution, exactly: twelve uniforms less six (Irwin–Hall)."""
    total = np.full(rows, -6.0)
    for _ in range(12):
        total = total + rng.random(rows)
    return total


def soft(x: Floats) -> Floats:
    """A step from -1 to 1, without exp."""
    step: Floats = x / (1 + np.abs(x))
    return step


def launch_times(rng: np.random.Generator, rows: int) -> Times:
    """Moments spread over the years, weekdays and hours like the real launches."""
    days = np.arange(FIRST_DAY, OBSERVED_DAY)
    _, place, size = np.unique(whole(days, "M") // 3, return_inverse=True, return_counts=True)
    weights = np.array(LAUNCHES_A_QUARTER)[place] / np.where(place == len(size) - 1, 90, size[place])
    weights = weights * np.array(WEEKDAY_WEIGHTS)[weekday(days)]
    weights = np.where(month(days) == 11, weights * DECEMBER_WEIGHT, weights)
    seconds = pick(rng, HOUR_WEIGHTS, rows) * 3600 + pick(rng, [1.0] * 3600, rows)
    day: Times = days[pick(rng, weights, rows)].astype("datetime64[s]")
    moment: Times = day + seconds.astype("timedelta64[s]")
    return moment


def whole(times: Times, unit: str) -> Ints:
    """Whole units since the epoch."""
    count: Ints = times.astype(f"datetime64[{unit}]").astype(np.int64)
    return count


def weekday(times: Times) -> Ints:
    """Days since Monday."""
    # the epoch was a Thursday
    day: Ints = (whole(times, "D") + 3) % 7
    return day


def month(times: Times) -> Ints:
    """Months since January."""
    return whole(times, "M") % 12


def durations(rng: np.random.Generator, launched_at: Times) -> Ints:
    """Whole days from launch to deadline, mostly thirty."""
    usual = [0] + [OTHER_DAYS_WEIGHT + DAYS_WEIGHTS.get(day, 0) for day in range(1, 61)]
    early = usual + [LONG_DAYS_WEIGHTS.get(day, 1) for day in range(61, 93)]
    rows = len(launched_at)
    return np.where(launched_at < LONG_UNTIL, pick(rng, early, rows), pick(rng, usual, rows))


def countries(rng: np.random.Generator, launched_at: Times) -> Ints:
    """Indices into COUNTRIES, of those already open at each launch."""
    opened = np.array([row[2] for row in COUNTRIES], dtype="datetime64[s]")
    shares = np.array([row[3] for row in COUNTRIES]) / 1000
    edges = np.cumsum(np.where(launched_at[:, None] >= opened, shares, 0), axis=1)
    drawn = (edges <= rng.random(len(launched_at))[:, None]).sum(axis=1)
    # beyond the last edge lies the share of the US
    return np.where(drawn == len(COUNTRIES), 0, drawn)


def goals(rng: np.random.Generator, main: Ints, usd_rate: Floats) -> Floats:
    """Goals in the campaign's currency, near round numbers, with a few absurd ones."""
    rows = len(main)
    mean, deviation = np.array([row.goal for row in MAINS])[main].T
    exponent = np.round(mean + deviation * bell(rng, rows) - np.log10(usd_rate), 9)
    scale = 10.0 ** np.floor(exponent).astype(np.int64)
    leading = 10.0 ** (exponent % 1)
    habit = rng.random(rows)
    round_goal = np.where(habit < 0.35, nearest(leading, COMMONEST_GOALS), nearest(leading, COMMON_GOALS)) * scale
    goal = np.maximum(np.where(habit < 0.9, np.round(round_goal), np.round(leading * scale)), 1)
    absurd = pick(rng, [1 - sum(ABSURD_GOALS.values()), *ABSURD_GOALS.values()], rows)
    return np.where(absurd > 0, np.array([0, *ABSURD_GOALS])[absurd], goal)


def nearest(values: Floats, grid: Sequence[float]) -> Floats:
    """Each value's nearest neighbour in an ascending grid."""
    points = np.array(grid, dtype=np.float64)
    return points[np.searchsorted((points[1:] + points[:-1]) / 2, values)]


def names(rng: np.random.Generator, rows: int) -> list[str]:
    """Invented names of one to twelve words."""
    counts = pick(rng, WORD_COUNT_WEIGHTS, rows) + 1
    # every third word from the end is a noun, so that no name ends in "of"
    lists = [text.split() for text in (NOUNS, ADJECTIVES, JOINERS)]
    words = [[lists[i % 3][w] for w in pick(rng, [1.0] * len(lists[i % 3]), rows)] for i in range(len(WORD_COUNT_WEIGHTS))]
    form = pick(rng, [*FORM_SHARES.values(), 1 - sum(FORM_SHARES.values())], rows)
    marks = {mark: rng.random(rows) < share for mark, share in MARK_SHARES.items()}
    place = rng.random(rows)
    has_accent = rng.random(rows) < ACCENTED_SHARE
    accented = [ACCENTED.split()[w] for w in pick(rng, [1.0] * len(ACCENTED.split()), rows)]
    result = []
    for row, count in enumerate(counts.tolist()):
        parts = [words[i][row] for i in reversed(range(count))]
        parts[-1] = accented[row] if has_accent[row] else parts[-1]
        text = punctuated(parts, int(place[row] * (count - 1)), {mark for mark in marks if marks[mark][row]})
        result.append((str.upper, str.title, str.lower, capitalised)[form[row]](text))
    return result


def capitalised(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def punctuated(words: Sequence[str], place: int, marks: set[str]) -> str:
    """The words as one text, with marks inside, after the word at a place, or at the end."""
    parts = list(words)
    if '"' in marks:
        parts[-1] = f'"{parts[-1]}"'
    if len(parts) > 1:
        parts[place] += ":" if ":" in marks else "," if "," in marks else ""
    return " ".join(parts) + ("!" if "!" in marks else "?" if "?" in marks else "")


def draw_launches(seeds: Iterable[np.random.SeedSequence], rows: int) -> Launches:
    """Draw all that is known at launch, each column from a stream of its own."""
    streams = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]
    kind = pick(streams[0], [float(weight) for *_, weight in KINDS], rows)
    launched_at = launch_times(streams[1], rows)
    country = countries(streams[2], launched_at)
    rate = np.array([USD_RATES[row[1]] for row in COUNTRIES])[country]
    goal = goals(streams[3], MAIN_OF_KIND[kind], rate)
    return Launches(kind, country, launched_at, durations(streams[4], launched_at), goal, rate, names(streams[5], rows))


def probabilities(launches: Launches) -> Floats:
    """Each campaign's probability of success, to six digits, from facts known at launch."""
    odds = category_lift(launches) + goal_lift(launches) + moment_lift(launches.launched_at) + name_lift(launches)
    odds += np.array([row[4] for row in COUNTRIES])[launches.country]
    return np.round(1 / (1 + np.exp(-odds)), 6)


def category_lift(launches: Launches) -> Floats:
    """Log-odds of the category, drifting slowly, so that its past rate tells of the next."""
    rng = np.random.Generator(np.random.PCG64(NARRATIVE_SEED))
    level, drift = CATEGORY_DEVIATION * bell(rng, len(KINDS)), CATEGORY_DRIFT * bell(rng, len(KINDS))
    years = (launches.launched_at - np.datetime64("2014-01-01", "s")).astype(np.float64) / (365.25 * 86400)
    base, main_drift = np.array([(main.base, main.drift) for main in MAINS])[launches.main].T
    # the rules were relaxed in 2014, and for two years more campaigns failed
    slump = -0.6 / (1 + ((years - 1.2) / 0.8) ** 2)
    odds: Floats = base + level[launches.kind] + (main_drift + drift[launches.kind]) * years + slump
    return odds


def goal_lift(launches: Launches) -> Floats:
    """Log-odds of the goal: a slope and a sweet spot of each main category, and a turn with the duration."""
    sweet, slope = np.array([(main.sweet_spot, main.goal_slope) for main in MAINS])[launches.main].T
    goal_usd: Floats = launches.goal * launches.usd_rate
    size = np.round(np.log10(goal_usd), 9).astype(np.float64)
    hump = SWEET_SPOT_LIFT / (1 + ((size - sweet) / SWEET_SPOT_WIDTH) ** 2)
    length, largeness = (launches.days - 36) / 8, (size - 3.7) / 0.4
    patience = PATIENCE_LIFT * soft(length) * soft(largeness)
    odds: Floats = hump + slope * np.clip(size - 3.7, -1.5, 1.2) + patience - 2.5 * np.maximum(size - 5, 0)
    return odds


def moment_lift(launched_at: Times) -> Floats:
    """Log-odds of the hour, weekday and month of launch."""
    hour = whole(launched_at, "h") % 24
    by_hour, by_weekday, by_month = np.array(HOUR_LIFT), np.array(WEEKDAY_LIFT), np.array(MONTH_LIFT)
    odds: Floats = by_hour[hour] + by_weekday[weekday(launched_at)] + by_month[month(launched_at)]
    return odds


def name_lift(launches: Launches) -> Floats:
    """Log-odds of the name's length and form, whose worth differs by main category."""
    colon, shout = np.array([(main.colon, main.shout) for main in MAINS])[launches.main].T
    words = np.array([name.count(" ") for name in launches.name])
    lift: Floats = np.array(WORDS_LIFT, dtype=np.float64)[words]
    for test, worth in (
        (lambda name: ":" in name, colon),
        (lambda name: "!" in name, shout),
        (lambda name: "?" in name, QUESTION_LIFT),
        (str.isupper, UPPER_LIFT),
        (str.istitle, TITLE_LIFT),
    ):
        lift += np.array([test(name) for name in launches.name]) * worth
    return lift


def draw_outcomes(seed: np.random.SeedSequence, launches: Launches, probability: Floats) -> Outcomes:
    """Draw how each campaign ended, and mark the rows that a quirk befalls."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = len(probability)
    state = np.where(rng.random(rows) < probability, "successful", "failed").astype("<U10")
    # whether a campaign is stopped is drawn apart, so that the probability holds among those that are not
    stopped = rng.random(rows)
    state[stopped < CANCELED_SHARE + SUSPENDED_SHARE] = "suspended"
    state[stopped < CANCELED_SHARE] = "canceled"
    launched_at = launches.launched_at
    is_odd = (launched_at >= ODD_FROM) & (launched_at < ODD_UNTIL) & (rng.random(rows) < ODD_SHARE)
    state[is_odd & (rng.random(rows) < ODD_UNDEFINED_SHARE)] = "undefined"
    state[launches.deadline >= OBSERVED_DAY] = "live"
    order = rng.permutation(rows)
    ended = order[(launches.deadline < OBSERVED_DAY - 365)[order] & ~is_odd[order]]
    state[ended[: few(rows, STALE_LIVE_ROWS)]] = "live"
    is_epoch = np.zeros(rows, dtype=bool)
    is_epoch[ended[::-1][: few(rows, EPOCH_ROWS)]] = True
    state[is_epoch] = "canceled"
    pledged = pledges(rng, launches, state)
    backers = np.where(is_odd, 0, backer_counts(rng, pledged * launches.usd_rate))
    return Outcomes(state, is_odd, is_epoch, pledged, other_conversion(rng, launches, pledged), backers)


def few(rows: int, share: float) -> int:
    """How many rows a rare quirk befalls: at least one from 5,000 rows on."""
    return max(round(rows * share), min(1, rows // 5000))


def pledges(rng: np.random.Generator, launches: Launches, state: NDArray[np.str_]) -> Floats:
    """Money pledged, in the campaign's currency: at least the goal exactly where it succeeded."""
    rows, goal = len(state), launches.goal
    draw, has_cents, cents = rng.random(rows), rng.random(rows), np.floor(rng.random(rows) * 100) / 100
    modest = goal * np.minimum(1, MODEST_USD / (goal * launches.usd_rate))
    pledged = np.zeros(rows)
    for name, (quantiles, ratios) in PLEDGED_TO_GOAL.items():
        here = state == name
        against = goal if name == "successful" else modest
        pledged[here] = np.interp(draw[here], quantiles, ratios) * against[here]
    whole = np.floor(np.round(pledged, 2))
    won = state == "successful"
    pledged = np.round(whole + np.where((whole > 0) & (has_cents < np.where(won, 0.18, 0.03)), cents, 0), 2)
    return np.where(won, np.maximum(pledged, goal), np.where(state == "failed", np.minimum(pledged, goal - 1), pledged))


def backer_counts(rng: np.random.Generator, usd: Floats) -> Ints:
    """People who pledged that much in all, at a typical 49 dollars each."""
    each = 49 * np.round(np.exp(np.round(0.8 * bell(rng, len(usd)), 9)), 9)
    return np.where(usd > 0, np.maximum(np.round(usd / each), 1), 0).astype(np.int64)


def other_conversion(rng: np.random.Generator, launches: Launches, pledged: Floats) -> Floats:
    """Pledged in dollars by the site's own reckoning: another rate, and later often a stale amount."""
    rows = len(pledged)
    drift = np.where(launches.usd_rate == 1, 1, 1 + 0.04 * bell(rng, rows))
    part = np.where(rng.random(rows) < STALE_USD_ZERO_SHARE, 0, rng.random(rows))
    stale = (launches.launched_at >= STALE_USD_FROM) & (rng.random(rows) < STALE_USD_SHARE)
    return np.round(pledged * launches.usd_rate * np.where(stale, part, drift), 2)


def final_names(seed: np.random.SeedSequence, launches: Launches, outcomes: Outcomes) -> list[str]:
    """Names as they stand afterwards: the site marks most of those canceled and suspended."""
    is_marked = np.random.Generator(np.random.PCG64(seed)).random(len(launches.name)) < RENAMED_SHARE
    suffixes = {"canceled": " (Canceled)", "suspended": " (Suspended)"}
    rows = zip(launches.name, outcomes.state.tolist(), is_marked.tolist(), strict=True)
    return [name + (suffixes.get(state, "") if marked else "") for name, state, marked in rows]


def identifiers(seed: np.random.SeedSequence, rows: int) -> list[str]:
    """Unique positive numbers in no order."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return [str(number + 1) for number in rng.choice(2**31 - 1, rows, replace=False).tolist()]


def money(amounts: Floats) -> list[str]:
    """Amounts with two decimals."""
    return [f"{amount:.2f}" for amount in amounts.tolist()]


def table(ids: list[str], final: list[str], launches: Launches, outcomes: Outcomes) -> list[tuple[str, ...]]:
    """The rows of the table, by ID as text."""
    kinds = [(category, list(MAIN_CATEGORIES)[index]) for index, category, _ in KINDS]
    launched = np.datetime_as_string(launches.launched_at, unit="s").tolist()
    origin = launches.country.tolist()
    columns: dict[str, Iterable[str]] = {
        "ID": ids,
        "name": final,
        "category": [kinds[k][0] for k in launches.kind.tolist()],
        "main_category": [kinds[k][1] for k in launches.kind.tolist()],
        "currency": [COUNTRIES[c][1] for c in origin],
        "deadline": np.datetime_as_string(launches.deadline, unit="D").tolist(),
        "goal": money(launches.goal),
        "launched": [EPOCH if e else t.replace("T", " ") for t, e in zip(launched, outcomes.is_epoch, strict=True)],
        "pledged": money(outcomes.pledged),
        "state": outcomes.state.tolist(),
        "backers": [str(count) for count in outcomes.backers.tolist()],
        "country": [ODD_COUNTRY if odd else COUNTRIES[c][0] for c, odd in zip(origin, outcomes.is_odd, strict=True)],
        "usd pledged": ["" if odd else m for m, odd in zip(money(outcomes.usd_pledged), outcomes.is_odd, strict=True)],
        "usd_pledged_real": money(np.round(outcomes.pledged * launches.usd_rate, 2)),
        "usd_goal_real": money(np.round(launches.goal * launches.usd_rate, 2)),
    }
    return sorted(zip(*(columns[column] for column in COLUMNS), strict=True))


def generate(rows: int, seed: int) -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """The table's rows, and (ID, probability) of each."""
    seeds = np.random.SeedSequence(seed).spawn(9)
    launches = draw_launches(seeds[:6], rows)
    probability = probabilities(launches)
    outcomes = draw_outcomes(seeds[6], launches, probability)
    ids = identifiers(seeds[7], rows)
    truth = sorted(zip(ids, [f"{p:.6f}" for p in probability.tolist()], strict=True))
    return table(ids, final_names(seeds[8], launches, outcomes), launches, outcomes), truth


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    os.replace(partial, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table, and the truth where it is asked for."""
    parser = argparse.ArgumentParser(description="Write an invented, seeded table of crowdfunding campaigns.")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--truth", type=Path, help="where to write each campaign's probability of success")
    options = parser.parse_args(arguments)
    rows, truth = generate(options.rows, options.seed)
    write_csv(options.output, COLUMNS, rows)
    if options.truth:
        write_csv(options.truth, ("ID", "probability"), truth)


if __name__ == "__main__":
    main()
