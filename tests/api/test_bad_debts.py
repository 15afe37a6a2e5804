"""Debts that must be refused: a pointer to what is wrong, a sentence, and nothing stored."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from app.clock import from_unix_seconds, to_rfc3339, utc_now
from chains.types import UINT256_MAX
from tests.api.door import AGREED_AT, DAY, Scene, pointers, refused

UNKNOWN_PARTY = "pty_01J00000000000000000000000"
DUE = to_rfc3339(from_unix_seconds(AGREED_AT + 10 * DAY))
# The smallest amount in a token with 6 decimals that no uint256 holds.
TOO_MUCH = f"{(UINT256_MAX + 1) // 10**6}.{(UINT256_MAX + 1) % 10**6:06}"
MOST = f"{UINT256_MAX // 10**6}.{UINT256_MAX % 10**6:06}"


def one(**installment: Any) -> dict[str, Any]:
    """A debt due at once, in one installment."""
    return {"installments": [{"amount": "9000", "due_at": DUE, **installment}]}


def demand_refusal(scene: Scene, body: object, *, at: str) -> str:
    """The refusal's detail at this pointer. Sent as ASCII, so that even half a surrogate pair gets there."""
    before = scene.door.counts()
    headers = {"Content-Type": "application/json"}
    response = scene.door.client.post("/v1/debts", content=json.dumps(body), headers=headers)
    problem = refused(response, status=422)
    assert at in pointers(problem)
    assert scene.door.counts() == before
    return next(str(each["detail"]) for each in problem["errors"] if each["pointer"] == at)


def test_what_the_others_vary_is_taken_in(scene: Scene) -> None:
    """Or else every refusal below might have another reason. Rolled back by never being committed: a 409."""
    taken = scene.door.post("/v1/debts", scene.debt_body(reference="taken"))
    assert taken["principal_units"] == str(9_000 * 10**6)
    before = scene.door.counts()
    again = scene.door.client.post("/v1/debts", json=scene.debt_body(reference="taken"))
    assert "'taken'" in refused(again, status=409)["detail"]
    assert scene.door.counts() == before


@pytest.mark.parametrize("principal", ["8999.999999", "9000.000001", "27000", "0.000001"])
def test_installments_that_do_not_add_up(scene: Scene, principal: str) -> None:
    detail = demand_refusal(scene, scene.debt_body(principal=principal), at="/installments")
    assert "add up to 9000 TUSD" in detail


def test_installments_whose_sum_no_uint256_holds(scene: Scene) -> None:
    twice = [{"amount": MOST, "due_at": DUE}] * 2
    demand_refusal(scene, scene.debt_body(principal=MOST, installments=twice), at="/installments")


@pytest.mark.parametrize(
    "installment",
    [
        {"due_at": DUE, "due_on": "2025-07-01"},
        {"due_at": None},
        {"due_at": None, "due_on": None},
        {"due_at": "9999-12-31T23:59:59Z"},
        {"due_at": None, "due_on": "9999-12-31"},
        {"due_at": to_rfc3339(from_unix_seconds(AGREED_AT - 1))},
        {"due_at": None, "due_on": "2025-06-15"},
        {"due_at": "0001-01-01T00:00:00Z"},
        {"due_at": None, "due_on": "0001-01-01"},
    ],
)
def test_due_dates(scene: Scene, installment: dict[str, Any]) -> None:
    """Both, neither, beyond the calendar, before the agreement."""
    demand_refusal(scene, scene.debt_body(**one(**installment)), at="/installments/0")


@pytest.mark.parametrize(
    "day",
    [
        "2025-W30-1",
        "20250801",
        "2025-8-1",
        "2025-02-30",
        "2025-08-01T00:00:00Z",
        "",
        20250801,
        "\u0662\u0660\u0662\u0665-\u0660\u0668-\u0660\u0661",
    ],
    ids=ascii,
)
def test_due_days_are_written_in_one_way(scene: Scene, day: object) -> None:
    body = scene.debt_body(**one(due_at=None, due_on=day))
    demand_refusal(scene, body, at="/installments/0/due_on")


AMOUNTS: list[object] = [
    *("-1", "+1", "1e3", "1E3", "1.", ".5", "01", "1,000", "1_000", "1 000", " 1", "1 ", "", ".", "NaN"),
    *(
        "Infinity",
        "0x10",
        "\uff11",
        "\u0663",
        "\u00bd",
        "9000.0000001",
        TOO_MUCH,
        "9" * 80,
        "9" * 160,
        "9" * 161,
    ),
    *("1\x00", "\ud800", "nine thousand"),
    *(9000, 9000.0, 1e400, -1, True, None, ["9000"], {"amount": "9000"}, 2**300),
]


@pytest.mark.parametrize("amount", AMOUNTS, ids=ascii)
def test_amounts(scene: Scene, amount: object) -> None:
    """Only decimal strings with no more decimals than the asset, up to 2**256-1 units; never JSON numbers."""
    demand_refusal(scene, scene.debt_body(principal=amount), at="/principal")
    demand_refusal(scene, scene.debt_body(**one(amount=amount)), at="/installments/0/amount")
    demand_refusal(scene, scene.debt_body(tolerance=amount), at="/tolerance")


def test_the_largest_amount_is_an_amount(scene: Scene) -> None:
    body = scene.debt_body(principal=MOST, reference="the largest", **one(amount=MOST))
    debt = scene.door.post("/v1/debts", body)
    assert debt["principal_units"] == str(UINT256_MAX)
    assert scene.door.get(f"/v1/debts/{debt['id']}") == debt


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai", "Etc/GMT+12", "Pacific/Kiritimati"])
@pytest.mark.parametrize("agreed", ["1900-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z"])
def test_old_debts_are_debts(scene: Scene, zone: str, agreed: str) -> None:
    """Every zone has room around every date that is taken in, and block times begin later than some debts."""
    dates = {"agreed_at": agreed, "time_zone": zone, **one(due_at=None, due_on="9899-12-31")}
    body = scene.debt_body(reference=f"{zone} {agreed}", grace_days=3650, **dates)
    debt = scene.door.post("/v1/debts", body)
    assert scene.door.get(f"/v1/debts/{debt['id']}") == debt
    assessment = scene.door.get(f"/v1/debts/{debt['id']}/assessment")
    assert assessment["result"] == "UNDETERMINED"


def test_a_debt_of_nothing(scene: Scene) -> None:
    detail = demand_refusal(scene, scene.debt_body(principal="0", **one(amount="0")), at="/principal")
    assert detail
    demand_refusal(scene, scene.debt_body(principal="0.000000", **one()), at="/principal")
    half = [{"amount": amount, "due_at": DUE} for amount in ("9000", "0")]
    demand_refusal(scene, scene.debt_body(installments=half), at="/installments/1/amount")
    demand_refusal(scene, scene.debt_body(tolerance="9000.000001"), at="/tolerance")


TIMES: list[object] = [
    *("2025-06-16T15:06:40", "2025-06-16", "2025-06-16 15:06:40Z", "2025-06-16T15:06Z", "1750000000"),
    *("2025-06-16T15:06:40.1234567Z", "2025-02-30T00:00:00Z", "2025-06-16T24:00:00Z", "now", ""),
    *("2025-06-16T15:06:40+25:00", "2025-06-16T15:06:60Z", "0000-01-01T00:00:00Z", "\ud800", "x" * 500),
    *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z"),
    *(1750000000, 1750000000.5, True, None, []),
]


@pytest.mark.parametrize("when", TIMES, ids=ascii)
def test_times(scene: Scene, when: object) -> None:
    """RFC 3339 with an offset, within the calendar that zones and grace days leave room in."""
    demand_refusal(scene, scene.debt_body(agreed_at=when), at="/agreed_at")


def test_an_agreement_in_the_future(scene: Scene) -> None:
    tomorrow = to_rfc3339(utc_now().replace(year=utc_now().year + 1))
    demand_refusal(scene, scene.debt_body(agreed_at=tomorrow), at="/agreed_at")


@pytest.mark.parametrize(
    "zone",
    [
        *(
            "Mars/Olympus",
            "europe/berlin",
            "Europe/Berlin ",
            "UTC+1",
            "+01:00",
            "../../etc/passwd",
            "/etc/passwd",
        ),
        *("Europe/Berlin\x00", "\ud800", "", "x" * 101, 1, None),
    ],
    ids=ascii,
)
def test_time_zones(scene: Scene, zone: object) -> None:
    demand_refusal(scene, scene.debt_body(time_zone=zone), at="/time_zone")


@pytest.mark.parametrize("place", ["/asset", "/accepted_assets/0"])
def test_assets_that_are_not_named_as_they_must_be(scene: Scene, place: str) -> None:
    def refusal(asset: object) -> str:
        changes = {"asset": asset} if place == "/asset" else {"accepted_assets": [asset]}
        return demand_refusal(scene, scene.debt_body(**changes), at=place)

    chain, right = scene.door.chain, scene.door.asset
    assert right in refusal(right.lower())
    assert "zero address" in refusal(f"{chain}/erc20:0x{'0' * 40}")
    assert "not registered" in refusal(f"{chain}/erc20:0x52908400098527886E0F7030069857D2E4169EE7")
    assert "not registered" in refusal("eip155:2/" + right.partition("/")[2])
    assert "not supported yet" in refusal(f"{chain}/slip44:60")
    odd: list[object] = ["", "USDT", "eip155:0/erc20:0x", right + "0", right[:-1], f"{right}\n", "\ud800"]
    for asset in (*odd, None, 1, {}):
        refusal(asset)


def test_an_asset_named_twice(scene: Scene) -> None:
    for assets in ([scene.door.asset], [scene.door.asset] * 2):
        demand_refusal(scene, scene.debt_body(accepted_assets=assets), at="/accepted_assets")


@pytest.mark.parametrize("field", ["creditor_id", "debtor_id"])
def test_parties(scene: Scene, field: str) -> None:
    at = f"/{field}"
    assert UNKNOWN_PARTY in demand_refusal(scene, scene.debt_body(**{field: UNKNOWN_PARTY}), at=at)
    odd: list[object] = ["", "x" * 65, "pty_01J'; --", "pty\x00", f"{scene.parties[0]}\n", "\ud800"]
    for value in (*odd, None, 1, list(scene.parties)):
        demand_refusal(scene, scene.debt_body(**{field: value}), at=at)


def test_a_debt_to_oneself(scene: Scene) -> None:
    body = scene.debt_body(creditor_id=scene.parties[1])
    assert demand_refusal(scene, body, at="/debtor_id") == "Nobody can owe himself."


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"reference": ""}, "/reference"),
        ({"reference": "x" * 201}, "/reference"),
        ({"reference": "a\x00b"}, "/reference"),
        ({"reference": "a\ud800b"}, "/reference"),
        ({"reference": 7}, "/reference"),
        ({"governing_law": "\x00"}, "/governing_law"),
        ({"governing_law": "\udfff"}, "/governing_law"),
        ({"kind": "gift"}, "/kind"),
        ({"kind": "\ud800"}, "/kind"),
        ({"grace_days": -1}, "/grace_days"),
        ({"grace_days": 3651}, "/grace_days"),
        ({"grace_days": 1.5}, "/grace_days"),
        ({"grace_days": 10**400}, "/grace_days"),
        ({"grace_days": float("nan")}, "/grace_days"),
        ({"consumer": "maybe"}, "/consumer"),
        ({"allocation_rule": "newest-first"}, "/allocation_rule"),
        ({"installments": []}, "/installments"),
        ({"installments": None}, "/installments"),
        ({"installments": [{"amount": "9", "due_at": DUE}] * 1001}, "/installments"),
        ({"installments": ["9000"]}, "/installments/0"),
        ({"installments": [{"amount": "9000", "due_at": DUE, "paid": True}]}, "/installments/0/paid"),
        ({"disbursements": ["0xabc"]}, "/disbursements/0"),
        ({"disbursements": [f"eip155:1:0x{'A' * 64}:0"]}, "/disbursements/0"),
        ({"disbursements": [f"eip155:1:0x{'a' * 64}:01"]}, "/disbursements/0"),
        ({"disbursements": [f"eip155:1:0x{'a' * 64}:0\n"]}, "/disbursements/0"),
        ({"disbursements": [f"eip155:1:0x{'a' * 64}:{index}" for index in range(1001)]}, "/disbursements"),
        ({"colour": "red"}, "/colour"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"\ud800": 1}, ""),
        ({"interest": {"\ud800": 1}}, "/interest"),
        ({"interest": {"a": {"b": "\ud800"}}}, "/interest"),
        ({"": 1}, "/"),
    ],
    ids=count(),
)
def test_other_fields(scene: Scene, changes: dict[str, Any], at: str) -> None:
    demand_refusal(scene, scene.debt_body(**changes), at=at)


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("pay_to", ["eip155:1:0x52908400098527886E0F7030069857D2E4169EE7"]),
        ("interest", {"rate": "0.05", "day_count": "30/360"}),
        ("calendar", "DE"),
    ],
)
def test_terms_that_nothing_heeds_yet(scene: Scene, term: str, value: object) -> None:
    """Taken in silently, they would be left out of the assessment."""
    detail = demand_refusal(scene, scene.debt_body(**{term: value}), at=f"/{term}")
    assert "not heeded yet" in detail


def test_every_fault_has_its_own_pointer(scene: Scene) -> None:
    body = scene.debt_body(
        creditor_id=UNKNOWN_PARTY, time_zone="Mars/Olympus", allocation_rule="newest-first"
    )
    problem = refused(scene.door.client.post("/v1/debts", json=body), status=422)
    assert set(pointers(problem)) == {"/creditor_id", "/time_zone", "/allocation_rule"}
    assert all(each["detail"] in problem["detail"] for each in problem["errors"])


def test_missing_fields_are_named(scene: Scene) -> None:
    whole = scene.debt_body()
    for name in whole:
        body = {field: value for field, value in whole.items() if field != name}
        demand_refusal(scene, body, at=f"/{name}")


@pytest.mark.parametrize("body", [None, [], "debt", 1, True, [{}]])
def test_bodies_that_are_no_object(scene: Scene, body: object) -> None:
    demand_refusal(scene, body, at="")
