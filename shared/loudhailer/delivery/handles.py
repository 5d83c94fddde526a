"""libcurl's handles, as both senders use them."""

import pycurl

MAX_IN_FLIGHT = 900
"""Sockets, out of a Lambda's 1,024 descriptors: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

NO_TYPE = "Content-Type:"
"""A line among a request's headers that leaves the type out, as the SDK does. To a post libcurl would add the type of a
form, which no frame is, and which the signature does not cover. https://curl.se/libcurl/c/CURLOPT_POST.html"""

_CONNECT_MILLISECONDS = 2_000
_REQUEST_MILLISECONDS = 4_000


def new_handle(ca_file: str) -> pycurl.Curl:
    """A handle for requests to the management API; TLS is verified, against the certificates of that file."""
    handle = pycurl.Curl()
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    handle.setopt(pycurl.PROXY, "")
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, _CONNECT_MILLISECONDS)
    handle.setopt(pycurl.TIMEOUT_MS, _REQUEST_MILLISECONDS)
    handle.setopt(pycurl.TCP_KEEPALIVE, 1)
    handle.setopt(pycurl.WRITEFUNCTION, len)
    handle.setopt(pycurl.CAINFO, ca_file)
    return handle
