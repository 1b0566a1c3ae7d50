import Testing

/// What holds for the tests themselves.
@Suite struct TestRuleTests {
  private let tests: [SourceTree.File]

  init() throws {
    tests = try SourceTree().swift.filter { $0.path.hasPrefix("Tests/") && !$0.path.hasPrefix("Tests/TestKit/") }
  }

  /// A test that is skipped where its peer is absent must fail where no peer may be: only TestKit's traits know of that.
  @Test func testsSayWhatTheyNeed() {
    // Spelled in two parts, so that this file passes its own test.
    let banned = [".enabled(" + "if", ".disabled(" + "if"]
    for file in tests {
      for (number, line) in file.lines.enumerated() where banned.contains(where: { line.contains($0) }) {
        Issue.record("\(file.path):\(number + 1): use .needs, .permitted or .needsRealTexts")
      }
    }
  }

  /// An engine in this process has one generator of random numbers for all tests: its users take turns.
  @Test func usersOfAnEngineTakeTurns() {
    let uses = ["testEngine!", "TinyModel.engine", " Engine(", " PublishedModel("]
    let users = tests.filter { file in
      file.lines.contains { line in
        // Its path is for processes of their own.
        let own = line.replacing("testEngine!.path", with: "")
        return !line.contains("let uses") && uses.contains { own.contains($0) }
      }
    }
    #expect(users.count > 5)
    // Where the engine is loaded, and where it is used for others.
    let makers = ["Tests/TrainerCoreTests/TinyModel.swift", "Tests/StagesTests/Evaluate/PublishedModel.swift"]
    for file in users where !makers.contains(file.path) {
      let takesTurns = file.lines.contains { $0.contains(".takesTheEngine") || $0.hasPrefix("extension EngineTests {") }
      #expect(takesTurns, "\(file.path): its suite lacks .takesTheEngine")
    }
  }
}
