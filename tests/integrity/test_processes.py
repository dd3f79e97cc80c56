"""Many clients in several processes on one database, through the services: every judgement is counted once."""

import os
import random
from collections import Counter

import pytest

from tests.integrity import clients

pytestmark = pytest.mark.integrity

PROCESSES = 4
CLIENTS = 64
ROUNDS = 1000 if os.environ.get("ACCORD_PROVE") else 100
JUDGEMENTS = 2000


def shares(items, n=PROCESSES):
    return [items[start::n] for start in range(n)]


def test_64_clients_on_one_place_count_exactly_one_each_round(world):
    """Every other round they all ask for the place, in the others they all hold an expired lease on it."""
    people = world.people(CLIENTS)
    asked, late = world.projects(ROUNDS // 2), world.projects(ROUNDS // 2)
    leases = world.expired_leases(late, people)
    rounds = []
    for asked_id, late_id in zip(asked, late, strict=True):
        rounds += [(asked_id, {}), (late_id, {p.annotator_id: leases[late_id, p.annotator_id] for p in people})]
    work = [([person.annotator_id for person in share], rounds) for share in shares(people)]
    outcomes = clients.in_processes(world.url, clients.race, work, pool=CLIENTS // PROCESSES, parties=CLIENTS)

    assert len(outcomes) == ROUNDS * CLIENTS
    counted = Counter(project_id for project_id, what in outcomes if what == "counted")
    assert counted == dict.fromkeys(asked + late, 1)
    assert {what for project_id, what in outcomes if project_id in set(late)} == {"counted", "late"}
    tasks = world.sql("SELECT DISTINCT n_counted, n_leased, status FROM task")
    assert [tuple(task) for task in tasks] == [(1, 0, "done")]
    kept = world.sql("SELECT standing, count(*) FROM annotation GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in kept] == [("counted", ROUNDS), ("late", ROUNDS // 2 * (CLIENTS - 1))]


def test_2000_judgements_sent_two_to_five_times_are_2000_rows(world):
    """All copies are shuffled over the processes; now and then the key comes with another answer as well."""
    dice = random.Random(7)
    people = world.people(40)
    projects = world.projects(JUDGEMENTS // 40, overlap=40)
    leases = world.expired_leases(projects, people)
    assert len(leases) == JUDGEMENTS
    sent, refused = [], []
    for (project_id, annotator_id), public_id in leases.items():
        key = f"{project_id}-{annotator_id}"
        sent += [(public_id, annotator_id, 2, key)] * dice.randint(2, 5)
    dice.shuffle(sent)
    outcomes = clients.in_processes(world.url, clients.send_all, shares(sent), pool=8, parties=PROCESSES)

    assert len(outcomes) == len(sent)
    ids = {}
    for key, _, annotation_id, standing in outcomes:
        assert standing == "counted"
        assert ids.setdefault(key, annotation_id) == annotation_id
    assert len(set(ids.values())) == JUDGEMENTS
    assert world.value("SELECT count(*) FROM annotation") == JUDGEMENTS
    assert world.value("SELECT count(*) FROM task WHERE n_counted = 40 AND status = 'done'") == JUDGEMENTS // 40

    for (project_id, annotator_id), public_id in list(leases.items())[::20]:
        refused.append((public_id, annotator_id, -2, f"{project_id}-{annotator_id}"))
    answers = clients.in_processes(world.url, clients.send_all, shares(refused), pool=8, parties=PROCESSES)
    assert {code for *_, code in answers} == {"idempotency_conflict"}
    assert world.value("SELECT count(*) FROM annotation") == JUDGEMENTS


def test_of_two_answers_under_one_key_at_once_one_is_kept(world):
    """The race itself, not the second attempt: the copies start together and differ."""
    people = world.people(20)
    projects = world.projects(10, overlap=20)
    leases = world.expired_leases(projects, people)
    sent = [
        (public_id, annotator_id, answer, f"{project_id}-{annotator_id}")
        for (project_id, annotator_id), public_id in leases.items()
        for answer in (-1, 1)
    ]
    work = [[one for one in sent if one[2] == -1], [one for one in sent if one[2] == 1]]
    outcomes = clients.in_processes(world.url, clients.send_all, work, pool=8, parties=2)
    by_key = Counter((key, code) for key, _, _, code in outcomes)
    keys = {key for key, *_ in outcomes}
    assert len(keys) == 200
    assert all(by_key[key, "counted"] == by_key[key, "idempotency_conflict"] == 1 for key in keys)


def test_two_windows_of_one_person_get_the_same_lease(world):
    """Double requests of the same people at once: one lease each, and the same for both."""
    people = world.people(16)
    [project_id] = world.projects(1, tasks=40, overlap=1)
    work = [([person.annotator_id for person in people], project_id)] * PROCESSES
    outcomes = clients.in_processes(world.url, clients.ask_together, work, pool=16, parties=PROCESSES * len(people))
    leases = {}
    for annotator_id, public_id in outcomes:
        assert leases.setdefault(annotator_id, public_id) == public_id
    assert len(set(leases.values())) == len(people)
    assert world.value("SELECT sum(n_leased) FROM task") == len(people)
