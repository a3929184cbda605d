"""Online equals offline, and a request's prediction equals the batch's."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from knownat import paths
from knownat.declaration import Declaration
from knownat.derive.request import Request, looked_up_views
from tests.projects import run
from tests.serving_project import change_params, serving

pytestmark = pytest.mark.full

REPLAYED = 1000


def test_the_online_store_holds_what_is_known_offline(project: Path) -> None:
    """Every entity and feature: no mismatch, none missing, none extra; a changed, a lost and an invented value are named."""
    done = run(project, "knownat", "parity")
    assert done.returncode == 0, done.stderr
    assert sum(int(line.split()[1]) for line in done.stdout.splitlines()[1:]) > 99_000
    with sqlite3.connect(project / "feature_repo" / "data" / "online_store.db") as store:
        other = store.execute("SELECT value FROM knownat_campaign WHERE feature_name = 'goal_usd' LIMIT 1 OFFSET 7").fetchone()
        store.execute(
            "UPDATE knownat_country_history SET value = ? WHERE feature_name = 'success_rate_365d' AND rowid % 3 = 0", other
        )
        store.execute(
            "DELETE FROM knownat_campaign WHERE rowid IN (SELECT rowid FROM knownat_campaign WHERE feature_name = 'goal_usd' LIMIT 5)"
        )
        ended = store.execute("SELECT value FROM knownat_country_history WHERE feature_name = 'success_rate_365d'").fetchone()
        nulls = "feature_name = 'log_goal_30d' AND length(value) = 0"
        invented = store.execute(f"UPDATE knownat_category_history SET value = ? WHERE {nulls}", ended).rowcount
    done = run(project, "knownat", "parity")
    assert done.returncode == 1
    found = {line.split()[0]: [int(n) for n in line.split()[3:]] for line in done.stdout.splitlines()[1:]}
    assert found["country_history"][0] > 0
    assert found["campaign"] == [0, 5, 0]
    assert found["category_history"] == [0, 0, invented]
    assert "For example country_history__success_rate_365d of " in done.stderr


def test_a_replay_in_known_at_order_gives_the_predictions_of_the_batch(project: Path) -> None:
    """Test rows asked over HTTP from raw fields, each when the store holds what was known at its launch, differ by at most 1e-6."""
    declaration = Declaration.read(project / paths.compiled("report"))
    rows, batch = _test_rows(project)
    wanted = Request.of(declaration, "launch").fields
    sent = {row["project_id"]: row for row in pq.read_table(project / paths.TABLES / "campaigns").to_pylist()}
    change_params(project, clock=None)  # an answer from raw fields is as of its own launch, whatever the clock says
    store = _Replayed(project, declaration)
    found = []
    with serving(project) as served:
        for row in rows:
            store.write_until(row["event_timestamp"])
            fields = {name: sent[row["project_id"]][name] for name in wanted}
            body = {n: v.isoformat() if hasattr(v, "isoformat") else v for n, v in fields.items()}
            # refused where the store's file was just being written; a client asks again
            served.until(lambda b=body: served.predict(fields=b).status_code == 200, 10)
            answer = served.predict(fields=body)
            assert not {f["status"] for f in answer.json()["features"].values()} & {"late", "stale"}
            found.append(answer.json()["probability"])
    assert len(found) == REPLAYED
    np.testing.assert_allclose(found, batch, rtol=0, atol=1e-6)


def _test_rows(project: Path) -> tuple[list[dict[str, Any]], Any]:
    """Every so-many-th row of the test split in the order of their launches, and what the model says of them in a batch."""
    from knownat.encoder import Encoder
    from knownat.model import load, predict

    encoder = Encoder.read(project / paths.ENCODER)
    test = pq.read_table(project / paths.TRAINING_SET, filters=[("split", "=", "test")]).sort_by("event_timestamp")
    step = test.num_rows // REPLAYED
    test = test.take(list(range(0, step * REPLAYED, step)))
    columns = {i.name: test[i.name].to_pylist() for i in encoder.inputs}
    return test.select(["project_id", "event_timestamp"]).to_pylist(), predict(
        load(project / paths.MODEL, encoder), encoder, columns
    )


class _Replayed:
    """An online store that is emptied of histories, and then written through Feast as time goes by."""

    def __init__(self, project: Path, declaration: Declaration) -> None:
        from feast import FeatureStore

        assert run(project, "knownat", "materialize").returncode == 0
        self.views = looked_up_views(declaration, "launch")
        with sqlite3.connect(project / "feature_repo" / "data" / "online_store.db") as store:
            for view in self.views:
                store.execute(f"DELETE FROM knownat_{view.name}")
        self.feast = FeatureStore(repo_path=str((project / "feature_repo").resolve()))
        self.rows = {v.name: pq.read_table(project / paths.VIEWS / v.name).sort_by("known_at").to_pylist() for v in self.views}
        self.moments = {name: [row["known_at"] for row in rows] for name, rows in self.rows.items()}
        self.written = dict.fromkeys(self.rows, 0)

    def write_until(self, moment: datetime) -> None:
        """Every row known by then that is not written yet; of an entity, its last."""
        from feast.type_map import python_values_to_proto_values

        from knownat.online import _key

        for view in self.views:
            end = bisect_right(self.moments[view.name], moment)
            last = {row[view.join_key]: row for row in self.rows[view.name][self.written[view.name] : end]}
            self.written[view.name] = end
            table = self.feast.get_feature_view(view.name)
            types = {field.name: field.dtype.to_value_type() for field in table.features}
            data = [
                (
                    _key(view.join_key, key),
                    {name: python_values_to_proto_values([row[name]], kind)[0] for name, kind in types.items()},
                    row["known_at"].astimezone(UTC),
                    None,
                )
                for key, row in last.items()
            ]
            if data:
                self.feast._get_provider().online_write_batch(self.feast.config, table, data, None)
