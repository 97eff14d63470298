"""The policy engine and the oracle, asked the same: policies, callers,
requests and times by the thousand, and for each the same verdict, rule,
condition and grant. A tenth of them in the ordinary suite, all in a soak."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import unittest

import generate
import oracle

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import json_schema  # noqa: E402: its folder is not on the path before

JUDGE = pathlib.Path(os.environ["TASKGATE_BIN"]).parent / "tests" / "judge"
SOAK = os.environ.get("TASKGATE_SOAK") == "1"
POLICIES = 5000 if SOAK else 500
PAIRS_OF_EACH = 20
SEED = int(os.environ.get("TASKGATE_SEED", "1"))


class Engine:
    def __enter__(self):
        self.process = subprocess.Popen(
            [JUDGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=30)

    def ask(self, questions):
        """All of one policy's at once, which fits a pipe's buffer."""
        for question in questions:
            self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        return [json.loads(self.process.stdout.readline())
                for _ in questions]


class TestOracle(unittest.TestCase):
    def setUp(self):
        self.seen = collections.Counter()

    def compare(self, policy, pair, engine_says):
        principal, request, now_ms = pair
        oracle_says = oracle.decide(policy, principal, request, now_ms)
        self.seen["allowed" if oracle_says["allowed"] else
                  str(oracle_says["condition"]).split(".")[0].split("[")[0]
                  ] += 1
        if engine_says != oracle_says:
            self.fail("\n".join((
                f"policy    {json.dumps(policy)}",
                f"principal {json.dumps(principal)}",
                f"request   {json.dumps(request)}",
                f"now_ms    {now_ms}",
                f"engine    {json.dumps(engine_says)}",
                f"oracle    {json.dumps(oracle_says)}")))

    def test_engine_and_oracle_agree(self):
        with Engine() as engine:
            for number in range(POLICIES):
                generator = generate.Generator(f"{SEED}-{number}", oracle)
                policy = generator.policy()
                pairs = [generator.pair(policy) for _ in range(PAIRS_OF_EACH)]
                loaded, *answers = engine.ask([{"policy": policy}] + [
                    {"principal": principal, "request": request,
                     "now_ms": now_ms} for principal, request, now_ms in pairs])
                self.assertEqual(loaded, {}, json.dumps(policy))
                self.assertEqual(list(json_schema.check(
                    policy, json_schema.POLICY)), [], json.dumps(policy))
                for pair, answer in zip(pairs, answers, strict=True):
                    self.compare(policy, pair, answer)
        self.assertEqual(engine.process.returncode, 0)
        total = POLICIES * PAIRS_OF_EACH
        self.assertEqual(sum(self.seen.values()), total)
        print(dict(self.seen))
        # A comparison is worth something where verdicts vary.
        self.assertGreater(self.seen["allowed"], total // 5)
        for name in ("None", "expires", "hours", "digest_required", "params",
                     "args", "env", "stdin", "inputs", "outputs", "limits"):
            self.assertGreater(self.seen[name], total // 500, name)


if __name__ == "__main__":
    unittest.main()
