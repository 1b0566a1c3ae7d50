import ShardKit
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// A training of a mixture: stopped, resumed, and what it says that it has read.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct MixtureTrainingTests {
    private func metrics(_ state: String) throws -> [JSONValue] {
      let text = String(decoding: try FileSystem.read("\(state)/watch/metrics.jsonl"), as: UTF8.self)
      return try text.split(separator: "\n").map { try JSONValue.parse(Array($0.utf8)).value }
    }

    @Test func aStoppedMixtureComesToTheSameBitsAndCountsAsAWholeOne() throws {
      var job = TrainingJobs.mixture(steps: 14)
      job.shape.dropout = 0.1
      job.course = TrainingCourse(skipSteps: [9...9])
      var parts = job
      (job.state, parts.state) = (temporaryDirectory(), temporaryDirectory())
      #expect(try TrainingRun(job, engine: TinyModel.engine!).run() == .done)
      try TrainingJobs.runInParts(parts)
      let ends = try [job, parts].map {
        try #require(try TrainingCheckpoint.latest(in: "\($0.state)/checkpoints").found)
      }
      #expect(ends[0].state == ends[1].state && ends[0].state.step == 14)
      #expect(
        try FileSystem.read("\(ends[0].folder)/weights.safetensors")
          == FileSystem.read("\(ends[1].folder)/weights.safetensors"))

      // What was read, step by step, by another way.
      let data = try TokenSamples(job.mixture!.folders.map { try MDSDataset(folder: $0) })
      var counts = [SourceCount](repeating: SourceCount(), count: 2)
      let lines = try metrics(parts.state)
      #expect(lines.map { $0["step"]?.integer } == (1...14).filter { $0 != 9 })
      for line in lines {
        let step = try #require(line["step"]?.integer)
        for sample in try StepSamples(ofStep: step, job, shardSamples: data.shardSamples).samples {
          var ids: [Int32] = []
          try data.append(sample, to: &ids, limit: 32, vocabulary: 128)
          counts[sample < 60 ? 0 : 1] += SourceCount(samples: 1, tokens: ids.count)
        }
        for (source, count) in zip(job.mixture!.sources, counts) {
          #expect(line["data/\(source.name)/samples"]?.integer == count.samples)
          #expect(line["data/\(source.name)/tokens"]?.integer == count.tokens)
          let epochs = try #require(line["data/\(source.name)/epochs"]?.double)
          #expect(abs(epochs - Double(count.samples) / Double(source.samples)) < 1e-6)
        }
        #expect(line["time/token"]?.integer == counts[0].tokens + counts[1].tokens)
      }
      #expect(ends[0].state.sources?.map(\.learned) == counts)
      #expect(ends[0].state.sources?.map(\.position) == [64, 48], "with those that were passed over")
    }
  }
}

extension TrainingJobs {
  /// Two sets, of which the one is read more and more.
  static func mixture(steps: Int) -> TrainingJob {
    var job = tiny(data: "", steps: steps)
    let folders = [60, 25].map { try! SampleData.tokens(samples: $0, perShard: 20) }
    let whole = steps * job.batchSize
    let first = steps / 2 * job.batchSize
    func source(_ number: Int, _ samples: Int, _ shards: Int) -> TokenMixture.Source {
      TokenMixture.Source(
        name: ["web", "books"][number], folders: [folders[number]], shards: shards, samples: samples,
        digest: "\(number)")
    }
    job.mixture = TokenMixture(
      sources: [source(0, 60, 3), source(1, 25, 2)],
      phases: [
        .init(until: steps / 2, amounts: [first - 8, 8]),
        .init(until: steps, amounts: [16, whole - first - 16]),
      ])
    return job
  }
}
