"""Networks that no crawl connects to, by a list of its own: what Python calls global changes with its version.

Source: IANA's IPv4 and IPv6 special-purpose address registries, and its list of IPv6 global unicast space, 2000::/3
alone, as they were in November 2026. Also those that the registries call globally reachable: no page lies there.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_IPV4: Final = (
    "0.0.0.0/8",  # this network, RFC 791
    "10.0.0.0/8",  # private, RFC 1918
    "100.64.0.0/10",  # shared by a provider's customers, RFC 6598
    "127.0.0.0/8",  # loopback, RFC 1122
    "168.63.129.16/32",  # not IANA's: Azure's host answers there, from every machine in it
    "169.254.0.0/16",  # link local, RFC 3927; clouds hand out keys at .169.254
    "172.16.0.0/12",  # private, RFC 1918
    "192.0.0.0/24",  # protocol assignments, RFC 6890; Oracle's cloud answers at .192
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.31.196.0/24",  # AS112, RFC 7535: answers for names of private networks
    "192.52.193.0/24",  # multicast tunnels, RFC 7450
    "192.88.99.0/24",  # 6to4 relays, RFC 7526
    "192.168.0.0/16",  # private, RFC 1918
    "192.175.48.0/24",  # AS112, RFC 7534
    "198.18.0.0/15",  # measuring, RFC 2544
    "198.51.100.0/24",  # documentation, RFC 5737
    "203.0.113.0/24",  # documentation, RFC 5737
    "224.0.0.0/4",  # multicast, RFC 5771
    "240.0.0.0/4",  # reserved and broadcast, RFC 1112
)

#: What else is not global unicast: unspecified, loopback, IPv4 in IPv6, NAT64, discard, SRv6, local, site local, multicast.
_IPV6_UNICAST: Final = IPv6Network("2000::/3")

_IPV6: Final = (
    "2001::/23",  # protocol assignments, RFC 2928: Teredo, ORCHID, benchmarking, AMT, drones
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056: leads to any IPv4 address
    "2620:4f:8000::/48",  # AS112, RFC 7534
    "3fff::/20",  # documentation, RFC 9637
)

SPECIAL_IPV4: Final = tuple(map(IPv4Network, _IPV4))
SPECIAL_IPV6: Final = tuple(map(IPv6Network, _IPV6))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether an address is a unicast one of the public Internet, which leads nowhere else."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    return address in _IPV6_UNICAST and not any(address in network for network in SPECIAL_IPV6)
