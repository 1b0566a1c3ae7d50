import ShardKit
import Testing

@testable import PipelineKit

@Suite struct TaskResourcesTests {
  private func fingerprint(_ task: TaskPlan) -> Digest {
    Fingerprint.task(stage: "any", revision: 1, options: [:], phase: "run", task: task)
  }

  /// What a task needs says nothing about its result: another estimate keeps what is done.
  @Test func resourcesHaveNoPartInTheFingerprint() {
    let plain = TaskPlan(key: "a", memoryBytes: 1)
    let large = TaskPlan(key: "a", memoryBytes: 1 << 40).using(cores: 8, gpus: 4, nodes: 2)
    #expect(large.resources == TaskResources(memoryBytes: 1 << 40, cores: 8, gpus: 4, nodes: 2))
    #expect(plain.resources == TaskResources(memoryBytes: 1, cores: 1, gpus: 0, nodes: 1))
    #expect(fingerprint(plain) == fingerprint(large))
    #expect(fingerprint(plain) != fingerprint(TaskPlan(key: "b", memoryBytes: 1)))
  }

  @Test func impossibleNumbersAreRaised() {
    #expect(TaskPlan(key: "a").using(cores: 0, gpus: -1, nodes: 0).resources == TaskResources())
  }
}
