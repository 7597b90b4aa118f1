"""Reading a great many rows keeps only a few of them at a time."""

from __future__ import annotations

import tracemalloc

import pytest

from webframe.db import connection, connections, models, transaction

from .registries import models_of_a_test

ROWS = 50_000
LIMIT = 4_000_000

registry = models_of_a_test("memory")


class Reading(models.Model):
    number = models.IntegerField()
    place = models.CharField(max_length=50, null=True)

    class Meta:
        app_label = "memory"
        apps = registry


# One statement for all rows.
FILL = {
    "sqlite": """INSERT INTO {table} (number, place)
        WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {rows})
        SELECT n, 'somewhere near the station number ' || n FROM series""",
    "postgresql": """INSERT INTO {table} (number, place)
        SELECT n, 'somewhere near the station number ' || n FROM generate_series(1, {rows}) AS n""",
    "mysql": """INSERT INTO {table} (number, place)
        SELECT seq, CONCAT('somewhere near the station number ', seq) FROM seq_1_to_{rows}""",
}


@pytest.fixture
def fill(engine, tables):
    tables(registry)

    def fill(rows):
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(Reading._meta.db_table)
            cursor.execute(FILL[engine.vendor].format(table=table, rows=rows))
        assert Reading.objects.count() == rows

    return fill


def test_iterating_over_a_great_many_rows_stays_small(engine, fill):
    fill(ROWS)
    queryset = Reading.objects.order_by("number")
    assert peak_of(queryset.iterator, lambda reading: reading.number) < LIMIT
    assert peak_of(queryset.values_list("number", "place").iterator, lambda row: row[0]) < LIMIT
    if engine.vendor != "mysql":  # it has one result at a time, and other statements may come in between
        with transaction.atomic():
            assert peak_of(queryset.iterator, lambda reading: reading.number) < LIMIT


def peak_of(iterate, number_of):
    """How many bytes were in use at most while all rows were read."""
    count = total = 0
    tracemalloc.start()
    try:
        for row in iterate():
            count += 1
            total += number_of(row)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (count, total) == (ROWS, ROWS * (ROWS + 1) // 2)
    return peak


def test_what_is_left_early_gives_its_connection_back(fill):
    fill(1000)
    for number in range(30):
        rows = Reading.objects.order_by("number").iterator(chunk_size=10)
        assert next(rows).number == 1
        if number % 2:
            rows.close()
        del rows
    connections.release()
    assert connection.pool.checkedout() == 0
    assert Reading.objects.count() == 1000
