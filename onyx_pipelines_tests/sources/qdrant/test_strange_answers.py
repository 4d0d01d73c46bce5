"""Whatever stands in Qdrant's place may answer anything: one error that names the setting."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.qdrant.collection_api import CollectionApi
from onyx_pipelines.sources.qdrant.failures import QdrantErrors
from onyx_pipelines.sources.qdrant.patience import Patience
from onyx_pipelines.sources.qdrant.snapshot_api import SnapshotApi, open_http
from onyx_pipelines_tests.attacks.odd_documents import NO_DOCUMENTS
from onyx_pipelines_tests.vault.stores.nonsense_server import NonsenseServer, http

QUESTIONS = {
    "names": lambda api, _: api.names(),
    "aliases": lambda api, _: api.aliases(),
    "info": lambda api, _: api.info("c"),
    "cluster": lambda api, _: api.cluster("c"),
    "count": lambda api, _: api.count("c"),
    "scroll": lambda api, _: api.scroll("c", limit=5),
    "retrieve": lambda api, _: api.retrieve("c", [1]),
    "query": lambda api, _: api.query("c", {}),
    "version": lambda _, snapshots: snapshots.version(),
    "snapshots": lambda _, snapshots: snapshots.list("c"),
    "a new snapshot": lambda _, snapshots: snapshots.create("c", timeout_s=5),
}
OF_ANOTHER_FORM = (
    *(None, 5, "x", True, [5], {"collections": None}, {"collections": [5]}, {"aliases": [{}]}),
    *({"count": "x"}, {"count": None}, {"points": None}, {"points": [5]}, {"config": 5}),
    *({"name": "a", "size": "x"}, {"name": "a"}),
)


def strange(question: str) -> list[bytes]:
    """Answers that this question cannot have."""
    results = [each for each in OF_ANOTHER_FORM if question != "cluster" or type(each) is not dict]
    return [*NO_DOCUMENTS, *(json.dumps({"result": each}).encode() for each in results)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_is_one_error_that_is_not_tried_again(question: str) -> None:
    ask: Any = QUESTIONS[question]
    answers = [b""]
    key, patience = SecretStr(""), Patience()
    with NonsenseServer(lambda *_: http(200, answers[-1])) as server:
        url = server.location.endpoint_url
        errors = QdrantErrors(url, key)
        with open_http(url, key, read_timeout_s=30) as client:
            api = CollectionApi(client, errors, timeout_s=30, patience=patience)
            snapshots = SnapshotApi(client, errors, patience)
            for body in strange(question):
                answers.append(body)
                with pytest.raises(SourceError) as caught:
                    ask(api, snapshots)
                assert "the answer is not one of Qdrant's" in caught.value.what, body
                assert "ONYX_QDRANT_URL" in caught.value.remedy
                assert not caught.value.transient


def test_a_refusal_of_whatever_form_is_one_error() -> None:
    answers = [b""]
    key = SecretStr("")
    with NonsenseServer(lambda *_: http(400, answers[-1])) as server:
        url = server.location.endpoint_url
        with open_http(url, key, read_timeout_s=30) as client:
            api = CollectionApi(client, QdrantErrors(url, key), timeout_s=30, patience=Patience())
            for body in strange("names"):
                answers.append(body)
                with pytest.raises(SourceError):
                    api.names()
