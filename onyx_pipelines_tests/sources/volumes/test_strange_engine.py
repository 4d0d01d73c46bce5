"""Whatever stands in the Docker engine's place may answer anything: one error that names the
setting, and never an answer that looks like "no container uses it"."""

from __future__ import annotations

import pytest

from onyx_pipelines.core.errors import SourceError
from onyx_pipelines.sources.volumes.docker_engine import DockerEngine
from onyx_pipelines.sources.volumes.engine_volume import EngineVolume
from onyx_pipelines_tests.attacks.odd_documents import NO_DOCUMENTS
from onyx_pipelines_tests.vault.stores.nonsense_server import NonsenseServer, http

OF_ANOTHER_FORM = (
    *(b"5", b'"x"', b"true", b"[5]", b'["x"]', b"[{}]", b"[[]]", b'{"message": "log in"}'),
    *(b'{"Volumes": 5}', b'{"Volumes": [5]}', b'{"Volumes": [{}]}', b'{"DockerRootDir": 5}'),
    b'{"Volumes": [{"Name": 5, "Driver": null}]}',
    *(b'{"State": 5, "Id": "a", "Name": "a"}', b'{"State": {"Status": 5}, "Id": 5, "Name": null}'),
    b'{"State": {"Status": "running"}, "Id": "a", "Name": "a", "Config": {"Labels": [5]}}',
)
QUESTIONS = {
    "what runs": lambda engine: engine.alive(),
    "all containers": lambda engine: engine.containers(),
    "one container": lambda engine: engine.inspect("x"),
    "the volumes": lambda engine: engine.volumes(),
    "a new volume": lambda engine: engine.create_volume(EngineVolume("x")),
    "its directory": lambda engine: engine.root_directory(),
}


# There is no container.
NOTHING = {"what runs": {b"[]"}, "all containers": {b"[]"}}


@pytest.mark.parametrize("question", QUESTIONS)
def test_is_one_error_and_not_nothing(question: str) -> None:
    bodies = {*NO_DOCUMENTS, *OF_ANOTHER_FORM} - NOTHING.get(question, set())
    answers = [b""]
    with (
        NonsenseServer(lambda *_: http(200, answers[-1])) as server,
        DockerEngine(server.location.endpoint_url) as engine,
    ):
        for body in bodies:
            answers.append(body)
            with pytest.raises(SourceError) as caught:
                QUESTIONS[question](engine)
            assert "does not answer (it speaks another language)" in caught.value.what, body
            assert "ONYX_DOCKER_HOST" in caught.value.remedy


def test_a_refusal_of_whatever_form_is_one_error() -> None:
    answers = [b""]
    with (
        NonsenseServer(lambda *_: http(500, answers[-1])) as server,
        DockerEngine(server.location.endpoint_url) as engine,
    ):
        for body in {*NO_DOCUMENTS, *OF_ANOTHER_FORM}:
            answers.append(body)
            with pytest.raises(SourceError):
                engine.alive()
