"""Why a line to a server does not stand, in words that say what to mend.

Libraries retry behind the scenes and say that time has run out; a second look at the same address tells the reason.
"""

from __future__ import annotations

import socket
import ssl
import struct

from schemas.errors import plain

_PATIENCE_S = 3.0
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_ALERT_S = 0.3
"""In TLS 1.3 a server refuses a client's certificate behind the handshake, with its first message."""

# Codes of OpenSSL's X509_verify_cert (x509_vfy.h), as `SSLCertVerificationError.verify_code` gives them.
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21}


def why_no_line(host: str, port: int, tls: ssl.SSLContext | None) -> str | None:
    """Try the line once; why it does not stand, or None where it does.

    Parameters
    ----------
    tls
        None for an open line.
    """
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE_S) as bare:
            return None if tls is None else _why_not_encrypted(bare, host, tls)
    except ssl.SSLError as error:
        return why_no_encryption(error)
    except OSError as error:
        return f"it does not answer: {error.strerror or plain(error)}"


def _why_not_encrypted(bare: socket.socket, host: str, tls: ssl.SSLContext) -> str | None:
    with tls.wrap_socket(bare, server_hostname=host) as line:
        line.settimeout(_ALERT_S)
        try:
            if not line.recv(1):
                return "it hangs up behind the handshake; does it ask for a certificate of ours (cert_file)?"
        except TimeoutError:
            return None  # it waits for us to speak
        return None


def why_no_encryption(error: ssl.SSLError) -> str:
    """What an error of TLS means for whoever mends it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _why_not_trusted(error)
    reason = error.reason or ""
    if reason in {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}:
        return "it speaks no TLS on this port; name the encrypted port, or take the encryption out of the settings"
    if reason.endswith("CERTIFICATE_EXPIRED"):
        return "it says that our certificate has expired; renew cert_file"
    if "CERTIFICATE" in reason or reason.endswith("UNKNOWN_CA"):
        return (
            f"it refuses our certificate ({reason.lower().replace('_', ' ')}); look at cert_file and key_file"
        )
    return f"no encryption comes about: {reason.lower().replace('_', ' ') or plain(error)}"


def _why_not_trusted(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return "its certificate has expired; renew it on that server"
    if code == _NOT_YET:
        return "its certificate is not valid yet; are both clocks right?"
    if code in {_OTHER_NAME, _OTHER_ADDRESS}:
        return f"its certificate is for another name ({error.verify_message}); use that name, or renew it with this one"
    if code in _UNKNOWN_AUTHORITY:
        return "its certificate is signed by an authority that we do not trust; is ca_file that of this deployment?"
    return f"its certificate does not hold: {error.verify_message}"


def why_no_postgres(host: str, port: int, tls: ssl.SSLContext | None) -> str | None:
    """As `why_no_line` for PostgreSQL, which speaks a word of its own before it encrypts.

    Source: PostgreSQL's frontend/backend protocol, SSLRequest.
    """
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE_S) as bare:
            if tls is None:
                return None
            bare.sendall(_SSL_REQUEST)
            if bare.recv(1) != b"S":
                return "it offers no encryption; switch ssl on there"
            tls.wrap_socket(bare, server_hostname=host).close()
            return None
    except ssl.SSLError as error:
        return why_no_encryption(error)
    except OSError as error:
        return f"it does not answer: {error.strerror or plain(error)}"
