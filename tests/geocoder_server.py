"""A local HTTP server that answers as Nominatim and Photon do, and fails as they do.

The forms of the answers follow https://nominatim.org/release-docs/latest/api/Output/ (the
``json`` format that geopy asks for) and Photon's docs/api-v1.md (GeocodeJSON).
"""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from loopback import running


@dataclass(frozen=True)
class Answer:
    """What the server does with one request. `way`: send, hang, drip or drop."""

    body: bytes = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    way: str = "send"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    query: dict[str, str]
    user_agent: str


class GeocoderServer(ThreadingHTTPServer):
    """Gives the queued answers in turn, then `default` for ever."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.queue: deque[Answer] = deque()
        self.default = Answer()
        self.asked: list[Asked] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_answer(self) -> Answer:
        return self.queue.popleft() if self.queue else self.default


class _Handler(BaseHTTPRequestHandler):
    server: GeocoderServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        agent = self.headers.get("User-Agent", "")
        self.server.asked.append(Asked(parts.path, dict(parse_qsl(parts.query)), agent))
        answer = self.server.next_answer()
        with suppress(BrokenPipeError, ConnectionResetError):  # where the client gave up
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        if answer.way == "hang":
            self.server.released.wait(30)
            return
        if answer.way == "drop":
            return
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.way == "drip":
            while not self.server.released.wait(0.02):
                self.wfile.write(b" ")
        self.wfile.write(answer.body)

    def log_message(self, *args: Any) -> None:
        pass


def serve() -> AbstractContextManager[GeocoderServer]:
    """Run the server on a free port of the loopback interface."""
    return running(GeocoderServer())


# ------------------------------------------------------------------ answers as they are


def nominatim_house(
    lon: float, lat: float, road: str, number: str, *, postcode: str = "54290", city: str = "Trier"
) -> dict[str, Any]:
    """A building with an address, as Nominatim gives it."""
    return {
        "place_id": 128_934_101,
        "licence": "Data © OpenStreetMap contributors, ODbL 1.0. http://osm.org/copyright",
        "osm_type": "way",
        "osm_id": 91_235_817,
        "lat": str(lat),
        "lon": str(lon),
        "class": "building",
        "type": "yes",
        "place_rank": 30,
        "importance": 0.00007,
        "addresstype": "building",
        "name": "",
        "display_name": f"{number}, {road}, {city}, Rheinland-Pfalz, {postcode}, Deutschland",
        "address": {
            "house_number": number,
            "road": road,
            "city": city,
            "state": "Rheinland-Pfalz",
            "ISO3166-2-lvl4": "DE-RP",
            "postcode": postcode,
            "country": "Deutschland",
            "country_code": "de",
        },
        "boundingbox": [str(lat - 1e-4), str(lat + 1e-4), str(lon - 1e-4), str(lon + 1e-4)],
    }


def nominatim_street(lon: float, lat: float, road: str, **more: Any) -> dict[str, Any]:
    """A street, as Nominatim gives it."""
    hit = nominatim_house(lon, lat, road, "", **more)
    del hit["address"]["house_number"]
    return {
        **hit,
        "class": "highway",
        "type": "residential",
        "place_rank": 26,
        "addresstype": "road",
        "name": road,
        "display_name": hit["display_name"].removeprefix(", "),
    }


def nominatim_place(lon: float, lat: float, name: str, kind: str, rank: int) -> dict[str, Any]:
    """A settlement or larger area, as Nominatim gives it."""
    return {
        "place_id": 128_000_001,
        "licence": "Data © OpenStreetMap contributors, ODbL 1.0. http://osm.org/copyright",
        "osm_type": "relation",
        "osm_id": 172_679,
        "lat": str(lat),
        "lon": str(lon),
        "class": "boundary",
        "type": "administrative",
        "place_rank": rank,
        "importance": 0.63,
        "addresstype": kind,
        "name": name,
        "display_name": f"{name}, Rheinland-Pfalz, Deutschland",
        "address": {kind: name, "state": "Rheinland-Pfalz", "country_code": "de"},
        "boundingbox": [str(lat - 0.1), str(lat + 0.1), str(lon - 0.1), str(lon + 0.1)],
    }


def photon(*features: dict[str, Any]) -> dict[str, Any]:
    """An answer of Photon."""
    return {"type": "FeatureCollection", "features": [*features]}


def photon_hit(lon: float, lat: float, kind: str, **fields: str) -> dict[str, Any]:
    """One feature of Photon; `kind` is its ``type``: house, street, city …"""
    properties = {
        "osm_type": "W",
        "osm_id": 91_235_817,
        "osm_key": {"house": "building", "street": "highway"}.get(kind, "place"),
        "osm_value": {"house": "yes", "street": "residential"}.get(kind, kind),
        "type": kind,
        "countrycode": "DE",
        "country": "Deutschland",
        "state": "Rheinland-Pfalz",
        **fields,
    }
    geometry = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def as_json(value: Any, **more: Any) -> Answer:
    """An answer with that JSON in it."""
    return Answer(json.dumps(value, ensure_ascii=False).encode(), **more)


HTML_PAGE = Answer(
    b"<!DOCTYPE html><html><body><h1>Wartungsarbeiten</h1></body></html>",
    headers={"Content-Type": "text/html; charset=utf-8"},
)
BROKEN_JSON = Answer(b'[{"lat": "49.75", "lon": "6.6')
NAN_POINT = Answer(b'[{"lat": NaN, "lon": NaN, "display_name": "x", "class": "place"}]')
