import { describe, expect, it } from 'vitest';
import { edges, edgesTo, serviceByName, serviceNames, services, startOrder } from '../src/index.ts';

describe('topology', () => {
  it('gives every service its own name, port and user id', () => {
    for (const key of ['name', 'port', 'uid'] as const) {
      expect(new Set(services.map((service) => service[key])).size, key).toBe(services.length);
    }
  });

  it('starts every service after those it needs', () => {
    const order = startOrder().map((service) => service.name);
    expect([...order].sort()).toEqual([...serviceNames].sort());
    for (const service of services) {
      for (const needed of service.after) expect(order.indexOf(needed)).toBeLessThan(order.indexOf(service.name));
    }
  });

  it('has one edge per pair, between known services, each with scopes', () => {
    const pairs = edges.map((edge) => `${edge.from} → ${edge.to}`);
    expect(new Set(pairs).size).toBe(pairs.length);
    for (const edge of edges) {
      expect(edge.scopes.length, `${edge.from} → ${edge.to}`).toBeGreaterThan(0);
      expect(serviceByName(edge.to).name).toBe(edge.to);
    }
  });

  it('lets every service with HTTP edges to others ask the policy engine', () => {
    const asking = new Set(edgesTo('policy-engine').map((edge) => edge.from));
    for (const service of services) {
      if (service.name !== 'store' && service.name !== 'policy-engine') expect(asking).toContain(service.name);
    }
  });

  it('publishes the page and nothing else', () => {
    expect(services.filter((service) => service.published).map((service) => service.name)).toEqual(['ui']);
  });

  it('gives write access to each shared folder to one service', () => {
    const writers = services.flatMap((service) => service.volumes.filter((v) => v.access === 'rw').map((v) => v.name));
    expect(new Set(writers).size).toBe(writers.length);
  });
});
