/** Which addresses are anybody's: the only ones that a request's content may lead to. */
import { BlockList, isIP } from "node:net";

/** Ranges that are not public, by the registries of special purposes. Of IPv6 only what is global unicast is public at all. */
const V4: readonly (readonly [net: string, prefix: number])[] = [
  ["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16], ["172.16.0.0", 12], ["192.0.0.0", 24], ["192.0.2.0", 24],
  ["192.31.196.0", 24], ["192.52.193.0", 24], ["192.88.99.0", 24], ["192.168.0.0", 16], ["192.175.48.0", 24], ["198.18.0.0", 15], ["198.51.100.0", 24], ["203.0.113.0", 24], ["224.0.0.0", 4], ["240.0.0.0", 4],
];
/** Within global unicast: protocol assignments and tunnels that lead to an address of the other kind, and documentation. */
const V6: readonly (readonly [net: string, prefix: number])[] = [["2001::", 23], ["2001:db8::", 32], ["2002::", 16], ["2620:4f:8000::", 48], ["3fff::", 20]];

const special = new BlockList();
for (const [net, prefix] of V4) special.addSubnet(net, prefix, "ipv4");
for (const [net, prefix] of V6) special.addSubnet(net, prefix, "ipv6");
const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");

/** Is this address public? Anything that is no address is not. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !special.check(address, "ipv4");
  // A zone makes it an address of one link.
  if (family !== 6 || address.includes("%")) return false;
  return globalUnicast.check(address, "ipv6") && !special.check(address, "ipv6");
}
