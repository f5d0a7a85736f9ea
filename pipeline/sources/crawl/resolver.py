"""Look hosts up, and let only public addresses through, or those that the manifest names.

Every connection asks here, after a redirect too, and connects to an address it was given, so that no second look-up can
lead elsewhere in between. An address written as a number (`http://2130706433/`) comes by here like a name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from scrapy.crawler import Crawler
from twisted.internet import address as twisted_address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IReactorTime, IResolutionReceiver
from zope.interface import implementer

from kakehi.pipeline.sources.crawl.special_addresses import is_public


class AddressFilter:
    """Says which addresses may be connected to.

    Args:
        allowed: networks let through although they are not public.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = [ip_network(network) for network in allowed]

    def lets(self, address: str) -> bool:
        """Say whether an address may be connected to: a public unicast one, or one that is named."""
        try:
            found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        if any(found in network for network in self._allowed if network.version == found.version):
            return True
        return is_public(found)


@implementer(IResolutionReceiver)
class _Sieve:
    """Passes on the addresses that the fence lets through."""

    def __init__(
        self, receiver: IResolutionReceiver, fence: AddressFilter, refused: Callable[[str], object]
    ) -> None:
        self._receiver = receiver
        self._fence = fence
        self._refused = refused

    def resolutionBegan(self, resolution: IHostResolution) -> None:  # noqa: N802 - Twisted's name
        """Tell the receiver that a host is being looked up."""
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: Any) -> None:  # noqa: N802 - Twisted's name
        """Pass an address on to the receiver, unless it may not be asked."""
        if self._fence.lets(address.host):
            self._receiver.addressResolved(address)
        else:
            self._refused(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802 - Twisted's name
        """Pass it on: a host without any address can't be connected to."""
        self._receiver.resolutionComplete()


@implementer(IHostResolution)
class _Known:
    """The resolution of a host whose address the manifest names."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Do nothing: it is over as soon as it begins."""


@implementer(IHostnameResolver)
class FilteringResolver:
    """Scrapy's `TWISTED_DNS_RESOLVER`: the reactor's own resolver behind the fence.

    Args:
        reactor: whose resolver looks names up.
        fence: what is let through.
        known: addresses of hosts that are not looked up.
    """

    def __init__(self, reactor: Any, fence: AddressFilter, known: Mapping[str, str]) -> None:
        self._reactor = reactor
        self._behind: IHostnameResolver = reactor.nameResolver
        self._fence = fence
        self._known = known
        self.refused: dict[str, str] = {}  # the last address of a host that was not let through

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: IReactorTime) -> FilteringResolver:
        """Take fence and names from the settings."""
        settings = crawler.settings
        return cls(
            reactor, AddressFilter(settings.getlist("KAKEHI_ALLOW")), settings.getdict("KAKEHI_RESOLVE")
        )

    def install_on_reactor(self) -> None:
        """Put itself in the place of the reactor's resolver."""
        self._reactor.installNameResolver(self)

    def resolveHostName(  # noqa: N802 - Twisted's name
        self,
        resolutionReceiver: IResolutionReceiver,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: Any = None,  # noqa: N803
        transportSemantics: str = "TCP",  # noqa: N803
    ) -> IHostResolution:
        """Resolve a host as Twisted asks for it."""
        sieve = _Sieve(resolutionReceiver, self._fence, partial(self.refused.__setitem__, hostName.lower()))
        known = self._known.get(hostName.lower())
        if known is None:
            return self._behind.resolveHostName(sieve, hostName, portNumber, addressTypes, transportSemantics)
        resolution = _Known(hostName)
        sieve.resolutionBegan(resolution)
        kind = twisted_address.IPv6Address if ":" in known else twisted_address.IPv4Address
        sieve.addressResolved(kind("TCP", known, portNumber))
        sieve.resolutionComplete()
        return resolution
