"""The gateway: one local address through which any program uses the pool.

    client ──HTTP, CONNECT, SOCKS5──▶ gateway ──http, CONNECT, SOCKS4a, SOCKS5──▶ upstream ──▶ target

Written here, not taken from a library, because none that is kept well does what a pool needs: proxy.py has
no retry and goes past its pool to private addresses; pproxy neither retries nor keeps connections; that of
proxybroker2 repeats a request whose answer had begun, looks names up itself and stops for good when its
pool is empty once; mitmproxy opens TLS. squid and haproxy retry, but learn of the pool by a file and of the
outcome nothing (`tests/bench/proxies_gateway.py` measures them). For heads there is h11: it takes longer
for one than all that the gateway does for a request.

What holds everywhere here: nothing goes out but through an upstream; no TLS is opened; a request is
repeated only while nothing of an answer went back to the client; no body is kept beyond 64 KiB.
"""
