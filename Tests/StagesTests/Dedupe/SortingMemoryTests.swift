import PipelineKit
import TestKit
import Testing

@testable import ShardKit
@testable import Stages

/// The option `memory` bounds what tasks hold: their sorters together stay within it, and what they declare is not more.
@Suite struct SortingMemoryTests {
  private static let stages: [any Stage.Type] = [
    DedupeExact.self, DedupeMinHash.self, DedupeParagraphs.self, DedupeSubstrings.self, DedupeURL.self,
  ]
  private static let least = 64 << 20

  @Test func theOptionIsDividedBetweenSortersAndAllElse() {
    for mebibytes in [1, 64, 100, 256, 1024, 1 << 20] {
      let option = ByteCount.mebibytes(mebibytes)
      for sorted in [0, 1 << 20, 1 << 28, 1 << 40] {
        let planned = SortingMemory.planned(option, sorting: sorted)
        #expect(planned <= max(Self.least, option.bytes) && planned >= Self.least)
        let bytes = SortingMemory.bytes(option, of: planned)
        #expect(bytes + min(Self.least, planned / 2) <= planned)
        // With the program and all else it is no more than the option, and no less than what is sorted if that allows it.
        let besides = Self.least + SortingMemory.programBytes
        #expect(bytes + besides <= option.bytes || option.bytes < 2 * besides)
        #expect(bytes >= sorted || sorted + besides >= option.bytes)
      }
    }
  }

  /// Every task that sorts, over more text than fits.
  @Test func tasksDeclareNoMoreThanTheOption() throws {
    let huge = (0..<40).map { part in
      ArtifactFile(
        path: "/none/\(part)", name: TaskPlan.padded(part), bytes: 1 << 36, digest: Digester.digest([]),
        documents: 1 << 20, textBytes: 1 << 40)
    }
    for type in Self.stages {
      let stage = StageDescription(type)
      for memory in [64, 256, 1024] {
        var context = NodeContext(inputs: ["documents": [.init(stage: "s", port: "documents", files: huge)]], base: "/")
        for port in stage.outputs where port.kind != .documents { context.outputs[port.name] = huge }
        let configured = try stage.configured(["memory": .string("\(memory)MiB")])
        for phase in stage.phases where (stage.name, phase) != (DedupeMinHash.name, "clusters") {
          let plans = try configured.stage(of: phase).tasks(ofPhase: phase, in: context)
          #expect(plans.allSatisfy { $0.memoryBytes <= memory << 20 }, "\(stage.name) \(phase)")
        }
      }
    }
  }

  /// What sorters hold follows from the memory of the task, over texts of which much more is sorted.
  @Test func sortersStayWithinTheMemory() throws {
    var random = SplitMix(seed: 8)
    var text = ""
    let documents = (0..<3000).map { number in
      // Every second document has the text of the one before, or adds to it.
      if number % 2 == 0 {
        let lines = (0..<5).map { _ in String((0..<20).map { _ in "山川空海人あいうえお".randomElement(using: &random)! }) }
        text = lines.joined(separator: "\n")
      }
      return Document(
        id: "d\(number)", text: number % 4 == 3 ? "\(text)\n終わり。" : text,
        metadata: ["url": .string("https://example.org/\(number / 2)")])
    }
    for type: any Stage.Type in [DedupeExact.self, DedupeParagraphs.self, DedupeSubstrings.self] {
      let use = PageUse()
      try PageUse.$ofAllSorters.withValue(use) {
        let harness = try StageHarness(type)
        try harness.add(documents: [documents])
        try harness.run(memoryBytes: 256 << 10)
      }
      // Small as it is, every sorter asks for the least that one can do with: three at once.
      let least = ExternalSorter<Duplicate>.leastBytes
      #expect(
        use.mostBytes > least / 2 && use.mostBytes <= 3 * least && use.bytes == 0, "\(type.name): \(use.mostBytes)")
    }
  }
}
