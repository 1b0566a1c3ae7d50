import ShardKit
import TestKit
import Testing

@testable import TrainerCore

@Suite struct MetricsLogTests {
  private let folder = temporaryDirectory()
  private var path: String { folder + "/metrics.jsonl" }

  private func text() throws -> String { String(decoding: try FileSystem.read(path), as: UTF8.self) }

  private func log(_ steps: ClosedRange<Int>, resumedStep: Int) throws {
    let log = try MetricsLog(path, resumedStep: resumedStep)
    for step in steps {
      try log.add(StepMetrics(step: step, loss: 1 / Double(step), learningRate: 1e-4, gradientNorm: .nan), wallTime: 5)
    }
  }

  @Test func aLineAStep() throws {
    defer { try? FileSystem.removeTree(folder) }
    let log = try MetricsLog(path, resumedStep: 0)
    var metrics = StepMetrics(step: 3, loss: 2.1000000001, learningRate: 5e-5, gradientNorm: .infinity, tokens: 1 << 40)
    metrics.others = [.init("metrics/eval/MaskedAccuracy", 0.5)]
    try log.add(metrics, wallTime: 5)
    #expect(
      try text() == """
        {"step":3,"time":5.0,"loss/train/total":2.1,"lr-AdamW/group0":5e-05,"time/epoch":0,"time/sample":0,\
        "time/token":1099511627776,"l2_norm/grad/global":null,"metrics/eval/MaskedAccuracy":0.5}

        """)
    let curve = try MetricsLog.curve(path)
    #expect(curve.count == 1 && curve[0].step == 3 && curve[0].loss == 2.1 && curve[0].learningRate == 5e-5)
    #expect(curve[0].gradientNorm.isNaN)
  }

  @Test func aResumedLogEqualsOneThatWasNeverCut() throws {
    defer { try? FileSystem.removeTree(folder) }
    try log(1...10, resumedStep: 0)
    let whole = try FileSystem.read(path)
    // Wherever a kill cuts the log, resuming at step 4 or before gives the same in the end.
    for cut in [whole.count, whole.count - 1, whole.count - 20, whole.count / 2] {
      for resumed in [0, 1, 4] {
        try FileSystem.write(Array(whole[..<cut]), to: path)
        try log((resumed + 1)...10, resumedStep: resumed)
        #expect(try FileSystem.read(path) == whole, "cut at \(cut), resumed at \(resumed)")
      }
    }
    try FileSystem.write(Array(whole.dropLast()), to: path)
    try log(10...10, resumedStep: 10)
    #expect(try FileSystem.read(path) == whole, "a last line without its end is written anew")
  }

  @Test func foreignLinesArePassedOver() throws {
    defer { try? FileSystem.removeTree(folder) }
    let line = "{\"step\":1,\"loss/train/total\":3}\n"
    try FileSystem.write(Array(("no json\n{\"step\":-4}\n[]\n" + line).utf8), to: path)
    #expect(try MetricsLog.curve(path).map(\.step) == [1])
    _ = try MetricsLog(path, resumedStep: 1)
    #expect(try text().hasSuffix(line))
  }
}

@Suite struct ThroughputTests {
  @Test func ratesAreOverTheWindow() {
    var throughput = Throughput(window: 3)
    #expect(throughput.tokensPerSecond == nil)
    // The first step takes 100 s, later ones 2 s.
    for step in 1...10 { throughput.record(step: step, tokens: step * 1000, seconds: 100 + 2 * Double(step)) }
    #expect(throughput.tokensPerSecond == 500)
    #expect(throughput.secondsRemaining(until: 25) == 30)
    #expect(throughput.secondsRemaining(until: 5) == 0)
    // Slower from here: after three steps the window knows nothing else.
    for step in 11...13 { throughput.record(step: step, tokens: step * 1000, seconds: 120 + 4 * Double(step - 10)) }
    #expect(throughput.tokensPerSecond == 250)
    throughput.restart()
    #expect(throughput.tokensPerSecond == nil)
  }

  /// The figures of MosaicBERT-Base with a vocabulary of 32,768 and 30 % masked.
  @Test func operationsOfATokenAreThoseOfTheFormula() {
    let shape = ModelShape()
    let short = shape.trainingFLOPsPerToken(sequenceLength: 128, maskFraction: 0.3)
    let long = shape.trainingFLOPsPerToken(sequenceLength: 512, maskFraction: 0.3)
    #expect(abs(short - 740e6) < 0.5e6 && abs(long - 782e6) < 1e6, "\(short), \(long)")
  }

  @Test func onlyKnownDevicesHaveAPeak() {
    #expect(DeviceKind.ofDevice("NVIDIA H200")?.bfloat16FLOPs == 989e12)
    #expect(DeviceKind.ofDevice("NVIDIA H100 80GB HBM3")?.bfloat16FLOPs == 989e12)
    #expect(DeviceKind.ofDevice("NVIDIA A100-SXM4-80GB")?.bfloat16FLOPs == 312e12)
    #expect(DeviceKind.ofDevice("NVIDIA H100 PCIe")?.bfloat16FLOPs == nil)
    #expect(DeviceKind.ofDevice("cpu")?.bfloat16FLOPs == nil)
    var throughput = Throughput()
    for step in 0...1 { throughput.record(step: step, tokens: step * 400_000, seconds: Double(step)) }
    #expect(throughput.modelFLOPsUtilization(flopsPerToken: 740e6, peakFLOPs: nil) == nil)
    #expect(
      throughput.modelFLOPsUtilization(flopsPerToken: 740e6, peakFLOPs: 989e12).map { ($0 * 1000).rounded() } == 299)
  }
}

@Suite struct LossGuardTests {
  private let rescue =
    "Pass over these steps with \"skipSteps\", set a lower rate from an earlier step on with \"laterRates\", or tolerate "
    + "some such steps with \"skipNonFinite\": the next run resumes at the last checkpoint before that."

  /// Each process knows its own documents alone: one whose part of the loss is good does not name them.
  @Test func whoIsNotToBlameNamesNoDocuments() {
    func check(_ rank: Int, _ culprits: [Int]) -> TorchError? {
      do throws(TorchError) {
        try LossGuard.check(
          loss: .nan, step: 7, lastGood: nil,
          process: LossGuard.ReportingProcess(rank: rank, size: 4, culprits: culprits)
        ) { ["document of \(rank)"] }
        return nil
      } catch { return error }
    }
    #expect(check(2, [2])?.message.contains("its batch has the documents document of 2") == true)
    #expect(check(2, [2])?.code == .diverged)
    let innocent = check(0, [2])
    #expect(innocent?.code == .group)
    #expect(
      innocent?.description.hasPrefix("process 0 of 4: stops at step 7: the loss of process 2 is not a number.") == true
    )
    #expect(check(3, [1, 2])?.message.contains("processes 1, 2") == true)
    // Where only the gradient is no number, nobody knows.
    #expect(check(0, [])?.message.contains("document of 0") == true)
  }

  private func message(_ loss: Double, _ norm: Double?, documents: Int, lastGood: (Int, String?)?) -> String {
    do {
      try LossGuard.check(loss: loss, gradientNorm: norm, step: 12, lastGood: lastGood) {
        (0..<documents).map { "wikipedia:\($0)" }
      }
      return "none"
    } catch { return error.code == .diverged ? error.description : "another" }
  }

  @Test func theSentenceNamesStepDocumentsAndCheckpoint() {
    #expect(message(1, 1, documents: 3, lastGood: nil) == "none")
    // Of another machine.
    #expect(
      message(.nan, nil, documents: 1, lastGood: (10, nil)).contains(". The last good checkpoint is of step 10. "))
    #expect(
      message(.nan, nil, documents: 7, lastGood: (10, "c/step-00000010"))
        == "step 12: the loss is not a number; its batch has the documents wikipedia:0, wikipedia:1, wikipedia:2, "
        + "wikipedia:3, wikipedia:4 and 2 more. The last good checkpoint is of step 10: c/step-00000010. "
        + rescue)
    #expect(
      message(2.5, .infinity, documents: 1, lastGood: nil)
        == "step 12: the gradient norm is infinite (the loss is 2.5); its batch has the documents wikipedia:0. "
        + "There is no checkpoint yet. " + rescue)
  }
}
