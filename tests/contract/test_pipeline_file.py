"""dvc.yaml, the stages' modules, params.yaml and the paths say the same."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from knownat import paths
from knownat.import_closure import needed
from knownat.loading import load_declaration, read_yaml
from knownat.params import Params
from tests.projects import ROOT

STAGES: dict[str, Any] = {name: stage.get("do", stage) for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items()}


def module(stage: str) -> str:
    return str(STAGES[stage]["cmd"]).split()[2]


def files(stage: str, key: str) -> list[str]:
    return [next(iter(item)) if isinstance(item, dict) else item for item in STAGES[stage].get(key, [])]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_verb_and_a_module(stage: str) -> None:
    """`ingest` is what `knownat.stages.ingest` does; a gate is `validate` and its name."""
    verb = stage.split("_", maxsplit=1)[0]
    assert module(stage) == f"knownat.stages.{verb}"


def test_every_stage_module_is_a_stage() -> None:
    """No module in stages/ is left out of dvc.yaml."""
    modules = {path.stem for path in (ROOT / "src/knownat/stages").glob("[a-z]*.py")}
    assert modules == {stage.split("_")[0] for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_it_runs(stage: str) -> None:
    """DVC does not follow imports, so the dependencies under src/ are the import closure, no more and no less."""
    code = {dep for dep in files(stage, "deps") if dep.endswith(".py") and dep.startswith("src/")}
    assert code == needed(STAGES[stage]["cmd"], ROOT)


def test_every_params_dependency_is_a_section() -> None:
    """What a stage depends on in params.yaml is a field of Params; `promote` and `serving` are read by commands, after all stages."""
    fields = {field.alias or name for name, field in Params.model_fields.items()} - {"promote", "serving"}
    named = {param.split(".")[0] for stage in STAGES for param in files(stage, "params")}
    assert named == fields


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_params_it_reads(stage: str) -> None:
    """Each attribute of Params that a stage's module reads is among its params."""
    tree = ast.parse((ROOT / "src" / Path(*module(stage).split("."))).with_suffix(".py").read_text())
    read = {
        node.attr.rstrip("_")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "params"
    }
    read = {{"source": "sources", "observed_at": "sources"}.get(name, name) for name in read}
    declared = {param.split(".")[0] for param in files(stage, "params")}
    if not stage.startswith("validate"):  # one module, three gates, each with its own
        assert read <= declared


def test_every_output_is_where_the_code_writes_it() -> None:
    """Each output in dvc.yaml lies at or below a path that `paths` names."""
    known = [value for value in vars(paths).values() if isinstance(value, Path)]
    for stage in STAGES:
        for out in files(stage, "outs") + files(stage, "metrics"):
            assert any(Path(out).is_relative_to(path) for path in known), out


def test_what_follows_a_gate_depends_on_its_verdict() -> None:
    """preprocess, register and encode each wait for the verdict on what they read."""
    for stage, gate in {"preprocess": "raw", "register": "features", "encode": "training_set"}.items():
        assert paths.verdict(gate).as_posix() in files(stage, "deps")


def test_no_name_of_the_declaration_stands_in_the_code() -> None:
    """src/ knows no data set: no string in it equals a declared column, feature, view, entity, table or label."""
    declared = load_declaration(ROOT / "feature_repo")
    names = {*declared.tables, *declared.entities, *declared.views, *declared.feature_views, declared.outcome.name}
    names |= {c for table in declared.tables.values() for c in (*table.columns, *table.filters, *table.raw_columns.values())}
    names |= {f.name for view in declared.feature_views.values() for f in view.features}
    names |= {f for view in declared.views.values() for f in view.features} | set(declared.services)
    allowed = {"name", "state", "category", "title"}  # plain words of any program
    found = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in names - allowed:
                found[f"{path.relative_to(ROOT)}:{node.lineno}"] = node.value
    assert not found


@pytest.mark.parametrize("light", ["declaration", "params", "cli"])
def test_light_modules_import_no_heavy_tool(light: str) -> None:
    """declaration, params and cli import in well under a second: no engine at module scope."""
    heavy = {"pyspark", "feast", "great_expectations", "tensorflow", "keras", "pandas", "duckdb", "pyarrow", "numpy"}
    tree = ast.parse((ROOT / "src" / "knownat" / f"{light}.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {a.name.split(".")[0] for n in top if isinstance(n, ast.Import) for a in n.names}
    named |= {(n.module or "").split(".")[0] for n in top if isinstance(n, ast.ImportFrom)}
    assert not named & heavy
