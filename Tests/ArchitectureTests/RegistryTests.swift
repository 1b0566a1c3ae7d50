import PipelineKit
import ShardKit
import Stages
import Testing

@Suite struct RegistryTests {
  private var stages: [StageDescription] { StageRegistry.builtin.stages }

  /// A stage that is not in `Builtins.swift` cannot be used.
  @Test func everyStageIsRegistered() throws {
    let declaration = #/^(?:public\s+)?(?:struct|enum|final class)\s+(\w+)[^{]*:\s*[^{]*\b(?:SinglePhase)?Stage\b/#
    let files = try SourceTree().swift.filter { $0.target == "Stages" }
    let registered = try #require(files.first { $0.path.hasSuffix("/Builtins.swift") }).lines.joined(separator: "\n")
    var found = 0
    for file in files {
      for line in file.lines {
        guard let match = line.firstMatch(of: declaration) else { continue }
        found += 1
        #expect(
          registered.contains(" \(match.1).self,"), "\(file.path): \(match.1) is not in Builtins.swift")
      }
    }
    #expect(found == stages.count)
  }

  @Test func everyStageIsDocumented() {
    for stage in stages {
      #expect(stage.name.wholeMatch(of: #/[a-z0-9]+(\.[a-z0-9]+)?/#) != nil, "'\(stage.name)' should be noun.verb")
      #expect(stage.revision >= 1)
      expectSentence(stage.summary, "the summary of \(stage.name)")
      for port in stage.inputs { expectSentence(port.documentation, "\(stage.name), input \(port.name)") }
      for port in stage.outputs { expectSentence(port.documentation, "\(stage.name), output \(port.name)") }
    }
  }

  @Test func everyOptionIsDocumented() {
    for stage in stages {
      var names: Set<String> = []
      for option in stage.options {
        #expect(names.insert(option.name).inserted, "\(stage.name) has two options '\(option.name)'")
        #expect(option.name.wholeMatch(of: #/[a-z][A-Za-z0-9]*/#) != nil, "\(stage.name).\(option.name)")
        expectSentence(option.documentation, "\(stage.name).\(option.name)")
      }
    }
  }

  /// A dictionary decides the words: another one under its name would pass for the same.
  @Test func stagesWithMeCabNameItsDictionary() throws {
    let files = try SourceTree().swift.filter { $0.target == "Stages" }
    let named = stages.filter { $0.options.contains { $0.name == "mecabDictionary" } }.map(\.name)
    #expect(named.count > 12)
    for name in named {
      let file = try #require(files.first { $0.lines.contains { $0.contains(" static let name = \"\(name)\"") } })
      #expect(file.lines.contains { $0.contains("var namedFiles:") }, "\(file.path)")
    }
  }

  /// Without them, hours of waiting would keep a processor's place.
  @Test func stagesThatAskServersHaveWaitingPhases() {
    #expect(stages.count { !$0.waitingPhases.isEmpty } > 8)
  }

  /// A name that no option has would let a phase's finished tasks pass for ones with another value.
  @Test func phasesNameOptionsThatExist() {
    for stage in stages {
      for (phase, names) in stage.phaseOptions {
        let known = Set(stage.options.filter(\.affectsOutput).map(\.name))
        #expect(names.isSubset(of: known), "\(stage.name), phase \(phase): \(names.subtracting(known).sorted())")
      }
    }
    #expect(stages.contains { $0.phaseOptions["signatures"]?.contains("threshold") == false })
  }

  /// The defaults must be values that the options themselves accept.
  @Test func everyDefaultIsAccepted() throws {
    for stage in stages where !stage.options.contains(where: \.isRequired) {
      for option in stage.options {
        #expect(throws: Never.self, "\(stage.name).\(option.name)") {
          _ = try stage.configured(.object([JSONMember(option.name, option.defaultValue)]))
        }
      }
    }
  }

  private func expectSentence(_ text: String, _ place: String) {
    #expect(text.count > 3 && text.hasSuffix("."), "\(place): '\(text)' should end with a period")
  }
}
