"""A trace as OpenLineage events, under the names that Feast's own emitter gives to feature views and services."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from feast.openlineage.identity import resolve_namespace
from feast.openlineage.mappers import feast_field_to_schema_field
from feast.repo_config import load_repo_config
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    dataset_version_dataset,
    execution_parameters_run,
    job_type_job,
    schema_dataset,
    set_producer,
    tags_dataset,
)

from knownat import ancestry, paths
from knownat.column_lineage import label_origins, origins
from knownat.declaration import Declaration, FeatureView, join_key
from knownat.derive.feast import feast_objects
from knownat.lineage_text import flattened
from knownat.lock import File, Stage
from knownat.query_ancestry import Untraceable
from knownat.tracing import Trace

PRODUCER = "urn:knownat"
RUNS = uuid5(NAMESPACE_URL, PRODUCER)
VIEWS, TABLES, TRAINING_SET, MODEL = (path.as_posix() for path in (paths.VIEWS, paths.TABLES, paths.TRAINING_SET, paths.MODEL))
Fields = dict[str, list[tuple[str, str]]]  # column → the (data set, column) that it derives from


@dataclass(frozen=True)
class Named:
    """A data set of OpenLineage: a file or folder that is tracked, or a part of one that has a name of its own."""

    name: str
    file: File


def namespace(folder: Path) -> str:
    """The one that Feast's emitter uses for what a Feast repository (the folder of feature_store.yaml) declares."""
    config = load_repo_config(folder, folder / "feature_store.yaml")
    return str(resolve_namespace(config.openlineage and config.openlineage.namespace, config.project))


def events(declaration: Declaration, found: Trace, namespace: str, at: str) -> list[RunEvent]:
    """One finished run a stage, in order; `at` is the time of sending (ISO, with its zone).

    The same content gives the same run ids, so that what is sent twice is one run.
    """
    set_producer(PRODUCER)
    maker = _Maker(declaration, found, namespace, feast_objects(declaration))
    return [maker.event(stage, at) for stage in found.stages]


def run_id(stage: Stage) -> str:
    """A UUID of what the stage read, made and ran, by its lock entry."""
    return str(uuid5(RUNS, json.dumps(asdict(stage), sort_keys=True, default=str)))


@dataclass(frozen=True)
class _Maker:
    declaration: Declaration
    found: Trace
    namespace: str
    feast: Mapping[str, Any]

    def event(self, stage: Stage, at: str) -> RunEvent:
        parameters = [
            execution_parameters_run.ExecutionParameter(key=k, value=without_login(v)) for k, v in flattened(stage.params).items()
        ]
        job_type = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="DVC", jobType="STAGE")
        read = [InputDataset(*self._place(named.name), facets=self._facets(named)) for named in self._inputs(stage)]
        service = [InputDataset(self.namespace, self._service(stage))] if self._service(stage) else []
        made = [
            OutputDataset(*self._place(named.name), facets=self._facets(named) | self._derived(stage, named))
            for file in stage.outputs
            for named in self._parts(file)
        ]
        return RunEvent(
            eventTime=at,
            eventType=RunState.COMPLETE,
            run=Run(run_id(stage), {"executionParameters": execution_parameters_run.ExecutionParametersRunFacet(parameters)}),
            job=Job(self.namespace, stage.name, {"jobType": job_type}),
            inputs=[*read, *service],
            outputs=made,
        )

    def _place(self, name: str) -> tuple[str, str]:
        """Namespace and name: a source elsewhere is told by its server; everything else is the project's."""
        found = urlsplit(without_login(name))
        return (f"{found.scheme}://{found.netloc}", found.path.lstrip("/")) if found.netloc else (self.namespace, name)

    def _service(self, stage: Stage) -> str:
        """The feature service that a stage asks for features; empty where it asks for none."""
        return str(stage.params["service"]) if any(file.path == TRAINING_SET for file in stage.outputs) else ""

    def _inputs(self, stage: Stage) -> Iterator[Named]:
        made = [file for other in self.found.stages for file in other.outputs]
        for file in stage.inputs:
            below = [part for part in made if part.path.startswith(f"{file.path}/")]
            for part in below or [file]:
                yield from (named for named in self._parts(part) if not self._is_unasked(stage, named))

    def _is_unasked(self, stage: Stage, named: Named) -> bool:
        """Whether it is a view that the stage's service does not read."""
        service = self._service(stage)
        return bool(service) and named.file.path == VIEWS and named.name not in self.declaration.service(service).views

    def _parts(self, file: File) -> list[Named]:
        if file.path == VIEWS:
            return [Named(view, file) for view in self.declaration.feature_views]
        if file.path == TABLES:
            return [Named(f"{file.path}/{table}", file) for table in self.declaration.tables]
        return [Named(file.path, file)]

    def _facets(self, named: Named) -> dict[str, Any]:
        facets: dict[str, Any] = {"version": dataset_version_dataset.DatasetVersionDatasetFacet(named.file.hash)}
        fields = self._schema(named)
        return facets | ({"schema": schema_dataset.SchemaDatasetFacet(fields)} if fields else {})

    def _schema(self, named: Named) -> list[schema_dataset.SchemaDatasetFacetFields]:
        field, declared = schema_dataset.SchemaDatasetFacetFields, self.declaration
        if named.file.path == VIEWS:
            return [feast_field_to_schema_field(f) for f in self.feast[f"view_{named.name}"].features]
        for name, table in declared.tables.items():
            if named.name == _raw(name):
                return [field("line", "int64"), *(field(column, "string") for column in table.raw_columns)]
            if named.name == f"{TABLES}/{name}":
                return [field(column, self._dtype(name, column)) for column in ancestry.stored(declared, name)]
        if named.name == TRAINING_SET:
            service = next(self._service(stage) for stage in self.found.stages if self._service(stage))
            head = {join_key(declared.event.entity): "string", "event_timestamp": "timestamp", "split": "string"}
            head |= {declared.outcome.name: "bool"} | {i.name: i.feature.dtype for i in declared.inputs(service)}
            return [field(column, dtype) for column, dtype in head.items()]
        return []

    def _dtype(self, table: str, column: str) -> str:
        if column in self.declaration.tables[table].columns:
            return self.declaration.tables[table].columns[column].dtype
        return {self.declaration.outcome.name: "bool", ancestry.LABEL_KNOWN_AT: "timestamp"}.get(column, "string")

    def _derived(self, stage: Stage, named: Named) -> dict[str, Any]:
        """Which columns each column derives from, and the lineage id of a model."""
        fields = self._fields(stage, named)
        columns = {
            column: column_lineage_dataset.Fields([column_lineage_dataset.InputField(*self._place(d), field=f) for d, f in found])
            for column, found in fields.items()
            if found
        }
        facets: dict[str, Any] = {"columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(columns)} if columns else {}
        if named.name == MODEL and self.found.lineage:
            tag = tags_dataset.TagsDatasetFacetFields(key="lineage", value=self.found.lineage, source="knownat")
            facets["tags"] = tags_dataset.TagsDatasetFacet([tag])
        return facets

    def _fields(self, stage: Stage, named: Named) -> Fields:
        declared = self.declaration
        if named.file.path == VIEWS:
            return _of_view(declared, declared.feature_views[named.name])
        if named.name == TRAINING_SET:
            service, events = self._service(stage), f"{TABLES}/{declared.event.table}"
            key, label = join_key(declared.event.entity), declared.outcome.name
            head = {key: key, "event_timestamp": declared.service(service).as_of, label: label}
            found: Fields = {column: [(events, read)] for column, read in head.items()}
            return found | {i.name: [(i.view.name, i.feature.name)] for i in declared.inputs(service)}
        if named.name == f"{TABLES}/{declared.event.table}":
            return {declared.outcome.name: [(_raw(table), column) for table, column in label_origins(declared)]}
        table = next((name for name in declared.tables if named.name == _raw(name)), None)
        source = next((file.path for file in stage.inputs if file.path == stage.params.get(f"sources.{table}", {}).get("uri")), "")
        if table and not source.endswith(".py"):  # a generator has no columns
            return {column: [(source, field)] for column, field in declared.tables[table].raw_columns.items() if source}
        return {}


def without_login(text: str) -> str:
    """An address without the name and password that it may hold; any other text as it is."""
    return re.sub(r"^([a-z0-9+.-]+://)[^/]*@", r"\1", text)


def _of_view(declared: Declaration, view: FeatureView) -> Fields:
    found: Fields = {}
    for feature in view.features:
        try:
            found[feature.name] = [(_raw(origin.table), origin.column) for origin in origins(declared, view, feature.name)]
        except Untraceable:  # said by nobody is better than said wrongly
            continue
    return found


def _raw(table: str) -> str:
    return (paths.RAW / f"{table}.parquet").as_posix()
