import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// The guides are true: their code is code that is tested, and what they link to is there.
@Suite struct DocumentationTests {
  private static func text(_ path: String) throws -> String {
    String(decoding: try FileSystem.read(packagePath(path)), as: UTF8.self)
  }

  private static func pages() throws -> [SourceTree.File] {
    try SourceTree().files.filter {
      $0.path.hasSuffix(".md") && ($0.path.hasPrefix("Documentation/") || !$0.path.contains("/"))
    }
  }

  /// The tests of stages compile and run the guide's example.
  @Test func theGuidesExampleIsTheTestedOne() throws {
    let guide = try Self.text("Documentation/guides/writing-a-stage.md")
    let example = try Self.text("Tests/StagesTests/Documentation/ExampleStage.swift")
    #expect(
      guide.contains("```swift\n\(example)```\n"),
      "Put Tests/StagesTests/Documentation/ExampleStage.swift into the guide as it is.")
  }

  /// Stages in examples are of kinds that exist, with options that they take.
  @Test func examplesAreReadAsPipelineFilesAre() throws {
    var stages = 0
    for page in try Self.pages() {
      let text = page.lines.joined(separator: "\n")
      for block in text.matches(of: #/```(json|jsonc|yaml)\n((?:.|\n)*?)\n```/#) {
        let isYAML = block.1 == "yaml"
        let isWhole = isYAML || block.2.hasPrefix("{")
        let text = Array((isWhole ? String(block.2) : "{\(block.2)}").utf8)
        let json = try isYAML ? DocumentSyntax.yaml.parse(text).value : JSONValue.parse(text, .commented).value
        for stage in (isWhole ? json["stages"] : json)?.members ?? [] {
          // What a file says of a stage that it inherits has no kind.
          if json["extends"] != nil, stage.value["use"] == nil { continue }
          let kind = stage.value["use"]?.string ?? ""
          let description = try #require(StageRegistry.builtin[kind], "\(page.path): no kind '\(kind)'")
          #expect(throws: Never.self, "\(page.path): \(stage.key)") {
            _ = try description.configured(stage.value["options"] ?? [:])
          }
          let ports = Set(description.inputs.map(\.name))
          let wired = Set((stage.value["inputs"]?.members ?? []).map(\.key))
          #expect(wired.isSubset(of: ports), "\(page.path): \(stage.key)")
          stages += 1
        }
      }
    }
    #expect(stages >= 7)
  }

  @Test func linksLeadSomewhere() throws {
    let pages = try Self.pages()
    #expect(pages.count > 8)
    for page in pages {
      let folder = page.path.split(separator: "/").dropLast().joined(separator: "/")
      for (number, line) in page.lines.enumerated() {
        for match in line.matches(of: #/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/#) {
          let path = packagePath((folder.isEmpty ? "" : folder + "/") + match.1)
          #expect(FileSystem.exists(path), "\(page.path):\(number + 1): \(match.1) does not exist")
        }
      }
    }
  }

  /// Files that guides name in code marks, such as `Sources/Stages/Builtins.swift`.
  @Test func namedFilesExist() throws {
    for page in try Self.pages() where page.path != "CHANGELOG.md" {
      for (number, line) in page.lines.enumerated() {
        for match in line.matches(
          of: #/`((?:Sources|Tests|Scripts|Pipelines|Benchmarks|Documentation|Operations)\/[\w.+\/-]+)`/#)
        {
          #expect(
            FileSystem.exists(packagePath(String(match.1))), "\(page.path):\(number + 1): \(match.1) does not exist")
        }
      }
    }
  }
}
