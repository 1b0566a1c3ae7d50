import ShardKit
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// Documents in one sample that do not see each other.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct IsolationTests {
    private let engine = TinyModel.engine

    /// Documents of these lengths, alone and packed into two samples of other lengths.
    private static let lengths = [[5, 9, 2], [1, 7]]

    private func documents() -> [[[Int32]]] {
      Self.lengths.enumerated().map { row, lengths in
        lengths.enumerated().map { number, count in
          (0..<count).map { Int32(5 + (row * 31 + number * 17 + $0 * 7) % 120) }
        }
      }
    }

    private struct Outcome {
      var logits: [Float]
      var gradients: [[Float]]
    }

    /// Logits of every token, and gradients of a loss over all of them.
    private func outcome(
      _ samples: [[Int32]], segments: [[Int32]], _ model: MaskedLanguageModel, training: Bool = true
    ) throws -> Outcome {
      let engine = try #require(engine), parameters = model.parameters
      let length = samples.map(\.count).max()!
      func padded(_ rows: [[Int32]], _ value: Int32) -> [Int32] {
        rows.flatMap { $0 + [Int32](repeating: value, count: length - $0.count) }
      }
      let input = try EncoderInput(
        ids: padded(samples, 0), lengths: samples.map { Int32($0.count) }, length: length,
        segments: segments.isEmpty ? [] : padded(segments, -1), engine: engine, device: .cpu)
      let places = samples.enumerated().flatMap { row, ids in ids.indices.map { Int64(row * length + $0) } }
      let labels = samples.flatMap { $0 }.map { Int64(($0 + 3) % 120) }
      let logits = try model.logits(input, at: places, training: training).floats()
      try model.loss(input, at: places, labels: labels, training: training, sum: true).backward()
      var gradients: [[Float]] = []
      for tensor in parameters.working.tensors {
        gradients.append(try #require(try tensor.gradient()).floats())
        try tensor.clearGradient()
      }
      return Outcome(logits: logits, gradients: gradients)
    }

    /// What the GPU's attention reads in place of a mask.
    @Test func boundsAreThoseOfSegmentsWithoutPadding() throws {
      let engine = try #require(engine)
      func input(_ lengths: [Int32], _ segments: [Int32]) throws -> EncoderInput {
        try EncoderInput(
          ids: [Int32](repeating: 7, count: lengths.count * 4), lengths: lengths, length: 4, segments: segments,
          engine: engine, device: .cpu)
      }
      #expect(try input([4, 4], []).bounds() == nil)
      let padded = try input([3, 4, 1], [])
      #expect(padded.segmentBounds == [0, 0, 0, 3, 3, 3, 3, 7] + [3, 3, 3, 7, 7, 7, 7, 8])
      #expect(try padded.bounds()?.shape == [2, 8])
      // The same number in two samples is not the same segment.
      let packed = try input([4, 3], [0, 0, 1, 2, 2, 2, 3, -1])
      #expect(packed.segmentBounds == [0, 0, 2, 3, 4, 4, 6] + [2, 2, 3, 4, 6, 6, 7])
    }

    @Test(arguments: ModelShape.Kind.allCases, [false, true])
    func aPackedDocumentIsAsAlone(_ kind: ModelShape.Kind, _ recomputes: Bool) throws {
      let engine = try #require(engine)
      let shape = TinyModel.shape(kind)
      let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu, seed: 3, deviation: { _ in 0.2 })
      let model = MaskedLanguageModel(shape.encoder(parameters, recomputeActivations: recomputes), parameters)
      let packed = documents().map { $0.flatMap { $0 } }
      let segments = Self.lengths.map { $0.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1) } }
      let together = try outcome(packed, segments: segments, model)
      var logits: [Float] = []
      var sums = parameters.shapes.map { [Float](repeating: 0, count: $0.count) }
      for document in documents().flatMap({ $0 }) {
        let alone = try outcome([document], segments: [], model)
        logits += alone.logits
        for place in sums.indices { for i in sums[place].indices { sums[place][i] += alone.gradients[place][i] } }
      }
      #expect(together.logits.count == logits.count)
      #expect(zip(together.logits, logits).allSatisfy { abs($0 - $1) < 1e-5 * max(1, abs($1)) })
      for (place, shape) in parameters.shapes.enumerated() {
        let error = TinyModel.relativeError(together.gradients[place], sums[place])
        // The second token type is never used.
        #expect(error < 1e-5 || sums[place].allSatisfy { abs($0) < 1e-5 }, "\(shape.name): \(error)")
      }
      // Without segments they see each other, and the measure sees that.
      let open = try outcome(packed, segments: [], model)
      #expect(TinyModel.relativeError(open.logits, logits) > 1e-3)
    }

    @Test func segmentsComeFromTheDocumentsOfASample() throws {
      let folder = try SampleData.packed(samples: 20, perShard: 9)
      let samples = try TokenSamples([MDSDataset(folder: folder)])
      var job = TrainingJobs.tiny(data: folder)
      func batch() throws -> Microbatch {
        try #require(try BatchSource(samples, masking: job.masking(), job.batches(ProcessRank())).next())
      }
      #expect(try batch().segments.isEmpty)
      job.isolatesDocuments = true
      let isolated = try batch()
      for row in 0..<isolated.sampleCount {
        let counts = SampleData.packing(isolated.sampleIDs[row])
        let own = isolated.segments[row * isolated.length..<(row + 1) * isolated.length]
        let expected = counts.enumerated().flatMap { [Int32](repeating: Int32($0), count: $1) }
        #expect(Array(own.prefix(expected.count)) == expected && own.dropFirst(expected.count).allSatisfy { $0 == -1 })
      }
      // Counts that no sample has.
      job.data = try SampleData.write(
        [MDSColumn("documents", .json), MDSColumn("input_ids", .array(.uint16, shape: nil))], samples: 9, perShard: 9
      ) { row, sample in
        row.append(#"[["a",0,\#(Int.max)],["b",0,\#(Int.max)]]"#)
        row.append(array: SampleData.tokens(sample).map { UInt16($0) })
      }
      let hostile = try TokenSamples([MDSDataset(folder: job.data)])
      #expect(throws: ShardError.self) {
        try BatchSource(hostile, masking: job.masking(), job.batches(ProcessRank())).next()
      }
      // One document in each sample: nothing to isolate.
      job.data = try SampleData.write(
        [MDSColumn("documents", .json), MDSColumn("input_ids", .array(.uint16, shape: nil))], samples: 9, perShard: 9
      ) { row, sample in
        row.append(#"[["a",0,\#(SampleData.tokens(sample).count)]]"#)
        row.append(array: SampleData.tokens(sample).map { UInt16($0) })
      }
      let alone = try TokenSamples([MDSDataset(folder: job.data)])
      #expect(try BatchSource(alone, masking: job.masking(), job.batches(ProcessRank())).next()?.segments == [])
    }

    @Test func samplesWithoutDocumentsAreRefused() throws {
      var job = TrainingJobs.tiny(data: try SampleData.tokens(samples: 100, perShard: 9))
      job.isolatesDocuments = true
      job.state = temporaryDirectory()
      let wrong = #expect(throws: ShardError.self) { try TrainingRun(job, engine: TinyModel.engine!).run() }
      #expect(wrong?.description.contains("of which its documents name") == true, "\(wrong!)")
      job.data = try SampleData.write([MDSColumn("input_ids", .array(.uint16, shape: nil))], samples: 9, perShard: 9) {
        $0.append(array: SampleData.tokens($1).map { UInt16($0) })
      }
      let none = #expect(throws: ShardError.self) { try TrainingRun(job, engine: TinyModel.engine!).run() }
      #expect(none?.description.contains("does not say which documents its samples have") == true, "\(none!)")
    }

    /// An isolated training is that of the documents themselves, and stops and goes on like others.
    @Test(arguments: ModelShape.Kind.allCases) func aStoppedTrainingComesToTheSameBits(_ kind: ModelShape.Kind) throws {
      var job = TrainingJobs.tiny(data: try SampleData.packed(samples: 60, perShard: 20), kind)
      job.isolatesDocuments = true
      job.shape.dropout = 0.1
      job.shape.attentionDropout = kind == .bert ? 0.1 : 0
      var parts = job, open = job
      (job.state, parts.state, open.state) = (temporaryDirectory(), temporaryDirectory(), temporaryDirectory())
      open.isolatesDocuments = false
      #expect(open.fingerprint != job.fingerprint)
      #expect(try TrainingRun(job, engine: TinyModel.engine!).run() == .done)
      #expect(try TrainingRun(open, engine: TinyModel.engine!).run() == .done)
      try TrainingJobs.runInParts(parts)
      let weights = try [job, parts, open].map { job in
        let end = try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
        return try FileSystem.read("\(end.folder)/weights.safetensors")
      }
      #expect(weights[0] == weights[1] && weights[0] != weights[2])
    }
  }
}
