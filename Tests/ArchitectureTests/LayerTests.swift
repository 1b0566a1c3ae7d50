import Testing

/// What each target may import, lowest layer first. Anything else that is a target or a package is an upward import.
private let layers: KeyValuePairs<String, Set<String>> = [
  "ShardKit": [
    "CZstd", "CZlib", "CBz2", "CLZMA", "CLZ4", "CBrotli", "CSimdJSON", "CKernels", "COpenSSL", "Glibc",
    "Synchronization",
  ],
  "TextKit": ["ShardKit", "CICU", "CCLD2", "CKernels", "CLZ4", "Glibc"],
  "MarkupKit": ["ShardKit", "TextKit", "CXML2", "Glibc"],
  "PipelineKit": ["ShardKit", "GRDB", "Glibc", "Synchronization", "Dispatch"],
  "TrainerCore": ["ShardKit", "TextKit", "CTorch", "Glibc", "Synchronization"],
  "NetKit": ["ShardKit", "MarkupKit", "CCurl", "GRDB", "Glibc", "Synchronization"],
  "Stages": [
    "PipelineKit", "ShardKit", "TextKit", "MarkupKit", "TrainerCore", "NetKit", "CKernels", "Glibc", "Synchronization",
  ],
  "pipeline-cli": [
    "Stages", "PipelineKit", "ShardKit", "TextKit", "TrainerCore", "ArgumentParser", "Glibc", "Synchronization",
    "Dispatch",
  ],
]

@Suite struct LayerTests {
  @Test func importsGoDownOnly() throws {
    let allowed = Dictionary(uniqueKeysWithValues: layers.map { ($0.key, $0.value) })
    let files = try SourceTree().swift.filter { $0.target != nil }
    #expect(files.count > 20)
    for file in files {
      let target = file.target!
      let may = try #require(allowed[target], "\(file.path): the target '\(target)' has no layer; add it to the table")
      for module in file.imports where module != target {
        #expect(may.contains(module), "\(file.path): \(target) may not import \(module)")
      }
    }
  }

  /// State is PipelineKit's own business: GRDB must not show in its interface.
  @Test func theDatabaseIsImportedInternally() throws {
    for file in try SourceTree().swift where file.target == "PipelineKit" && file.imports.contains("GRDB") {
      let line = file.lines.first { $0.contains("import GRDB") } ?? ""
      #expect(!line.hasPrefix("public"), "\(file.path): \(line)")
    }
  }

  /// All XML goes through one adaptor, with its bounds.
  @Test func oneFileImportsLibxml2() throws {
    let files = try SourceTree().swift.filter { $0.imports.contains("CXML2") }.map(\.path)
    #expect(files.count == 1 && files[0].hasSuffix("XMLPushParser.swift"), "\(files)")
  }

  @Test func targetsAreTheNamedOnes() throws {
    let targets = Set(try SourceTree().swift.compactMap(\.target))
    #expect(targets.isSubset(of: Set(layers.map(\.key))))
  }
}
