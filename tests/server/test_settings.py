"""Every way in which a settings file can be wrong is told with file, section, field and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from calls.errors import ConfigError
from server.settings import Settings, load_settings

GOOD = """
[numbers]
"4008001234" = "main"
[[trunks]]
name = "carrier"
addresses = ["192.0.2.7"]
[queues.service]
skills = ["service"]
"""


def read(folder: Path, text: str) -> Settings:
    (folder / "dialplans").mkdir(exist_ok=True)
    (folder / "dialplans" / "main.yaml").touch()
    (folder / "dialplans" / "main.dialogues.yaml").touch()
    (folder / "hotline.toml").write_text(text, encoding="utf-8")
    return load_settings(folder / "hotline.toml")


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    settings = read(tmp_path, GOOD)
    assert settings.sip.listen == ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    assert (settings.http.host, settings.shutdown.drain_seconds) == ("127.0.0.1", 30.0)
    assert settings.queues["service"].name == "service"
    assert settings.trunks[0].codecs == ("PCMA", "PCMU")


def test_relative_folders_are_taken_from_the_files_own(tmp_path: Path) -> None:
    settings = read(tmp_path, 'data = "there"\n[speech]\nmodel = "models/mine"\n' + GOOD)
    assert settings.data == tmp_path / "there"
    assert settings.dialplans == tmp_path / "dialplans"
    assert settings.speech.model == tmp_path / "models" / "mine"


def test_a_whole_number_will_do_for_seconds(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD + "[shutdown]\ndrain_seconds = 5\n").shutdown.drain_seconds == 5.0


@pytest.mark.parametrize(("added", "told"), [
    ("[sip]\nlissen = []", "[sip] lissen: unknown setting; did you mean 'listen'?"),
    ("[sip]\nxyz = 1", "[sip] xyz: unknown setting; known here: listen, external_host"),
    ("[sipp]\nport = 1", "sipp: unknown setting; did you mean 'sip'?"),
    ("[own_calls]\nwrap_up_seconds = -1", "[own_calls] wrap_up_seconds: -1 is not possible; give seconds from 0 to"),
    ('[http]\nport = "5060"', "[http] port: '5060' is not a whole number"),
    ("[http]\nport = true", "[http] port: True is not a whole number"),
    ("[http]\nport = 70000", "[http] port: 70000 is no port; 1 to 65535"),
    ('[sip]\nlisten = ["udp:localhost:5060"]', "[sip] listen: 'udp:localhost:5060' is no address; write transport:"),
    ('[sip]\nlisten = ["0.0.0.0:5060"]', "[sip] listen: '0.0.0.0:5060' is no address; write transport:host:port"),
    ('[sip]\nlisten = ["udp:[::]:0"]', "[sip] listen: 'udp:[::]:0' is no address; write transport:host:port"),
    ("[sip]\nlisten = []", "[sip] listen: is empty; name at least one address"),
    ('[sip]\nlisten = ["tls:0.0.0.0:5061"]', "[sip.tls] certificate: is missing; tls: and wss: addresses need one"),
    ('[sip]\nexternal_host = "sip.example"', "[sip] external_host: 'sip.example' is no address; write it in numbers"),
    ('[sip]\nlocal_networks = ["lan"]', "[sip] local_networks: 'lan' is no address or network; write 192.0.2.7"),
    ("[sip]\nmax_connections = 0", "[sip] max_connections: 0 is not possible; give 1 to 100000"),
    ("[http]\nport = 0", "[http] port: 0 is no port"),
    ("[http]\nhost = 5", "[http] host: 5 is not text in quotes"),
    ('[http]\ntoken = "short"', "[http] token: is shorter than 16 characters; leave it empty"),
    ("[sip]\nmin_se = 30", "[sip] session_expires, min_se: 1800 and 30 cannot be; "
     "90 ≤ min_se ≤ session_expires (RFC 4028 section 4), or session_expires = 0"),
    ("[media]\nport_low = 29999", "[media] port_high: 29999–29999 is too small; leave at least 4"),
    ("[media]\nport_low = -2", "[media] port_low: -2 is no port"),
    ("[media]\nthreads = 0", "[media] threads: 0 is not possible; 1…64, fewer than there are cores"),
    ("[media]\nthreads = 65", "[media] threads: 65 is not possible; 1…64, fewer than there are cores"),
    ('[media]\nrealtime = "yes"', "[media] realtime: 'yes' is not true or false"),
    ('[database]\ndsn = "db.example"', "[database] dsn: is no PostgreSQL address; write postgresql://user@host/database"),
    ('[speech]\nrecogniser = "ziformer"', "[speech] recogniser: 'ziformer' is unknown; one of auto, zipformer"),
    ("[speech]\nworkers = 0", "[speech] workers: 0 is not between 1 and 64"),
    ("[speech]\nmodel = 1", "[speech] model: 1 is not a path in quotes"),
    ("[recordings]\nkeep_days = 0", "[recordings] keep_days: 0 is not possible"),
    ("[shutdown]\ndrain_seconds = -1", "[shutdown] drain_seconds: -1.0 is not possible"),
    ('[shutdown]\ndrain_seconds = "5"', "[shutdown] drain_seconds: '5' is not a number"),
    ("[queues.vip]\nring_seconds = 0", "[queues.vip] ring_seconds: 0.0 is not possible; give seconds from 1 to 300"),
    ("[queues.vip]\nskils = []", "[queues.vip] skils: unknown setting; did you mean 'skills'?"),
    ('[queues.vip]\nskills = "vip"', "[queues.vip] skills: 'vip' is not a list; write skills = [ … ]"),
    ("[queues.vip]\nskills = [1]", "[queues.vip] skills[0]: 1 is not text in quotes"),
    ("[queues]\nvip = 3", "queues.vip: 3 is not a table"),
    ("[[trunks]]\naddresses = []", "[trunks[1]] name: missing; add name = …"),
    ("[[trunks]]\nname = 'carrier'", "[[trunks]] carrier: is the name of two trunks; give each trunk a name"),
    ("[[trunks]]\nname = 'phones'", "[[trunks]] phones: stands for our own phones"),
    ("[[trunks]]\nname = 'b'\ntransport = 'sctp'", "[[trunks]] b: transport: 'sctp' is unknown; one of udp, tcp, tls"),
    ("[[trunks]]\nname = 'b'\nregister = 5", "[[trunks]] b: register: 5 is not possible; give 60 to 86400 seconds"),
    ("[[trunks]]\nname = 'b'\nregister = 600", "trunk b: register: needs user, password and outbound"),
    ("[[trunks]]\nname = 'b'\nwhen_full = 404", "trunk b: when_full: 404 is not possible; 486, 480 or 503"),
    ("[[trunks]]\nname = 'b'\nweight = -1", "[[trunks]] b: weight: -1 is not possible"),
    ("[[trunks]]\nname = 'b'\nsilent_after = 0", "[[trunks]] b: silent_after: 0 is not possible; give 0.5 to 32"),
    ("[[trunks]]\nname = 'b'\nprobe = {every = 0.1}", "[[trunks]] b: probe.every: 0.1 is not possible"),
    ("[[trunks]]\nname = 'b'\nprobe = {up_after = 0}", "[[trunks]] b: probe: up_after or down_after is below 1"),
    ("[[trunks]]\nname = 'b'\nchannels_in = -1", "[[trunks]] b: channels_in, channels_out: is below 0"),
    ("[[trunks]]\nname = 'b'\ncalled_in = [{prefix = 'x'}]", "number rule 'x': prefix: 'x' is no number"),
    ("[outside]\ncalls_each = -1", "[outside] calls_each: -1 is not possible; give 0 or more"),
    ("[outside]\nprefixes = {'+86' = {per_minute = -1}}", "[outside] per_minute: -1.0 is no price"),
    ("[[trunks]]\nname = 'b'\naddresses = ['192.0.2.300']", "[[trunks]] b: addresses: '192.0.2.300' is no address"),
    ("[[trunks]]\nname = 'b'\naddresses = []\ncodecs = ['G729']", "[[trunks]] b: codecs: 'G729' is unknown"),
    ("[[trunks]]\nname = 'b'\naddresses = []\noutbound = 'carrier'",
     "[[trunks]] b: outbound: 'carrier' is no host:port"),
    ("[[trunks]]\nname = 'b'\naddresses = []\noutbound = '192.0.2.1:x'",
     "[[trunks]] b: outbound: '192.0.2.1:x' is no host:port; write 192.0.2.1:5060"),
])
def test_a_wrong_field_is_named(tmp_path: Path, added: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, GOOD + added + "\n")
    assert str(refused.value).startswith(f"{tmp_path / 'hotline.toml'}: {told}")


@pytest.mark.parametrize(("text", "told"), [
    ("[sip", "is not TOML: "),
    ("[sip]\nport = 1\nport = 2\n", "is not TOML: Cannot overwrite a value (at line 3"),
    ("trunks = 3\nnumbers = {}\nqueues = {}\n", "trunks: 3 is not a list; write trunks = [ … ]"),
    ("trunks = []\nqueues = {}\n", "numbers: missing; add numbers = …"),
    (GOOD.replace('"main"', '"mian"'), "[numbers] 4008001234: there is no flow 'mian'; did you mean 'main'?"),
    (GOOD.replace('"main"', '"other"'), "[numbers] 4008001234: there is no flow 'other'; known: main"),
    (GOOD.replace('"main"', "5"), "numbers.4008001234: 5 is not text in quotes"),
    ("sip = 5\n" + GOOD, "sip: 5 is not a table; write [sip]"),
])
def test_a_wrong_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith(f"{tmp_path / 'hotline.toml'}: {told}")


def test_a_file_that_is_not_there_or_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file or directory; hotline run"):
        load_settings(tmp_path / "nowhere.toml")
    (tmp_path / "photo.toml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ConfigError, match=r"photo\.toml: is not TOML: 'utf-8' codec"):
        load_settings(tmp_path / "photo.toml")
