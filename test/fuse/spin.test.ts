import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cpuLimits, throttledCount } from '../../dist/fuse/cpu-quota.js';
import { SpinPolicy } from '../../dist/fuse/spin.js';

/** A made-up tree of control groups. */
function onTree(files: Record<string, string>, body: (places: { root: string; self: string }) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'forkfs-fuse-test-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    body({ root, self: join(root, 'self') });
  } finally {
    rmSync(root, { recursive: true });
  }
}

class FakeClock {
  ms = 0;
  nowMs = (): number => this.ms;
  monotonicMs = (): number => this.ms;
}

test('a quota counts wherever it stands above the process', () => {
  onTree(
    {
      self: '0::/pod/task\n',
      'cpu.max': 'max 100000',
      'pod/cpu.max': '50000 100000',
      'pod/task/cpu.max': 'max 100000',
    },
    (places) => {
      assert.is(cpuLimits(places).cpus, 0.5);
    },
  );
  onTree(
    {
      self: '2:cpu,cpuacct:/a\n1:pids:/\n',
      'cpu,cpuacct/a/cpu.cfs_quota_us': '25000',
      'cpu,cpuacct/a/cpu.cfs_period_us': '100000',
    },
    (places) => {
      assert.is(cpuLimits(places).cpus, 0.25);
    },
  );
  onTree({ self: '1:cpu:/\n0::/\n', 'cpu/cpu.cfs_quota_us': '-1', 'cpu/cpu.cfs_period_us': '100000' }, (places) => {
    assert.equal(cpuLimits(places), { cpus: availableParallelism(), statFiles: [] });
  });
  onTree({}, (places) => assert.is(cpuLimits(places).cpus, availableParallelism()));
});

test('polling goes on for its time after the last request', () => {
  const clock = new FakeClock();
  const spin = new SpinPolicy({ clock, spinUs: 100, limits: { cpus: 2, statFiles: [] } });
  let tries = 0;
  while (spin.goesOn()) {
    clock.ms += 0.01;
    tries++;
  }
  assert.ok(tries >= 10 && tries < 16, `${tries} tries in 100 us`);
  assert.ok(spin.goesOn(), 'it starts anew');
});

test('polling is off without two processors, or by option', () => {
  const clock = new FakeClock();
  assert.is(new SpinPolicy({ clock, limits: { cpus: 1.9, statFiles: [] } }).goesOn(), false);
  assert.is(new SpinPolicy({ clock, spinUs: 0, limits: { cpus: 8, statFiles: [] } }).goesOn(), false);
  assert.is(new SpinPolicy({ clock, limits: { cpus: 2, statFiles: [] } }).isOn, true);
});

test('polling ends once the quota has stopped the process', () => {
  onTree({ self: '0::/\n', 'cpu.max': '300000 100000', 'cpu.stat': 'usage_usec 5\nnr_throttled 7\n' }, (places) => {
    const limits = cpuLimits(places);
    assert.is(throttledCount(limits), 7);
    const clock = new FakeClock();
    const spin = new SpinPolicy({ clock, limits: { ...limits, cpus: 3 } });
    clock.ms += 60_000;
    spin.checkThrottling();
    assert.ok(spin.isOn);
    writeFileSync(join(places.root, 'cpu.stat'), 'nr_throttled 8\n');
    clock.ms += 60_000;
    spin.checkThrottling();
    assert.not.ok(spin.isOn);
  });
});

test.run();
