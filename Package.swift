// swift-tools-version: 6.2
import Foundation
import PackageDescription

// Layers, lowest first; imports go down only (Scripts/test has the build check it):
//   C shims → ShardKit (bytes) → TextKit (language) → MarkupKit (documents' formats) → Stages (the work) → pipeline-cli
//   PipelineKit (the DAG), TrainerCore (models) and NetKit (servers) stand beside one another under Stages; only
//   PipelineKit knows of pipelines.
let strict: [SwiftSetting] = [
  .treatAllWarnings(as: .error), .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

// Tests/Fuzz/run sets PIPELINE_FUZZ: its targets then are a program with libFuzzer's driver, else tests. The program is built
// without the testing library.
let isFuzzing = ProcessInfo.processInfo.environment["PIPELINE_FUZZ"] != nil
let fuzzed: [Target.Dependency] = [
  "Stages", "NetKit", "PipelineKit", "MarkupKit", "ShardKit", "TextKit", "TrainerCore", "TestKit",
]
let notFuzzed = ["run", "hostile", "Findings"]

// In the program that people run are Swift's own libraries: to load them took a third of its time to start. The libraries
// named here are what Foundation needs of the toolchain; lld takes archives in any order. Debug builds and tests load them.
let linksSwift: [LinkerSetting] = [
  .unsafeFlags(
    [
      "-static-stdlib", "-use-ld=lld", "-lCoreFoundation", "-l_FoundationICU", "-l_FoundationCShims",
      "-l_FoundationCollections", "-Xlinker", "--no-export-dynamic",
    ], .when(configuration: .release))
]

let package = Package(
  name: "pipeline",
  products: [.executable(name: "pipeline", targets: ["pipeline-cli"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CBz2", providers: [.apt(["libbz2-dev"])]),
    .systemLibrary(name: "CLZMA", pkgConfig: "liblzma", providers: [.apt(["liblzma-dev"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CBrotli", pkgConfig: "libbrotlidec", providers: [.apt(["libbrotli-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CXML2", pkgConfig: "libxml-2.0", providers: [.apt(["libxml2-dev"])]),
    .target(name: "CCurl"),
    .target(name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson")]),
    .target(name: "CICU", linkerSettings: [.linkedLibrary("icuuc")]),
    .target(name: "CCLD2", linkerSettings: [.linkedLibrary("cld2")]),
    .target(name: "CKernels"),
    .target(name: "CTorch"),
    .target(name: "CParquet"),

    .target(
      name: "ShardKit",
      dependencies: [
        "CZstd", "CZlib", "CBz2", "CLZMA", "CLZ4", "CBrotli", "COpenSSL", "CSimdJSON", "CKernels", "CParquet",
      ], swiftSettings: strict),
    .target(
      name: "TextKit", dependencies: ["ShardKit", "CICU", "CCLD2", "CKernels", "CLZ4"], swiftSettings: strict),
    .target(
      name: "PipelineKit",
      dependencies: [
        "ShardKit", .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .target(name: "MarkupKit", dependencies: ["ShardKit", "TextKit", "CXML2", "CKernels"], swiftSettings: strict),
    .target(name: "TrainerCore", dependencies: ["ShardKit", "TextKit", "CTorch"], swiftSettings: strict),
    .target(
      name: "NetKit",
      dependencies: ["ShardKit", "MarkupKit", "CCurl", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: strict
    ),
    .target(
      name: "Stages", dependencies: ["PipelineKit", "ShardKit", "TextKit", "MarkupKit", "TrainerCore", "NetKit"],
      resources: [.embedInCode("HuggingFace/Python"), .embedInCode("Report/Python"), .embedInCode("Command/Python")],
      swiftSettings: strict),
    .executableTarget(
      name: "pipeline-cli",
      dependencies: [
        "Stages", "PipelineKit", "ShardKit", "TrainerCore", "TextKit", "NetKit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict, linkerSettings: linksSwift),

    .target(
      name: "TestKit", dependencies: ["PipelineKit", "ShardKit"], path: "Tests/TestKit",
      exclude: isFuzzing ? ["Requirements.swift"] : [], swiftSettings: strict),
    .testTarget(name: "ShardKitTests", dependencies: ["ShardKit", "TestKit"], swiftSettings: strict),
    .testTarget(name: "TextKitTests", dependencies: ["TextKit", "TestKit"], swiftSettings: strict),
    .testTarget(name: "MarkupKitTests", dependencies: ["MarkupKit", "NetKit", "TestKit"], swiftSettings: strict),
    .testTarget(name: "PipelineKitTests", dependencies: ["PipelineKit", "TestKit"], swiftSettings: strict),
    .testTarget(name: "TrainerCoreTests", dependencies: ["TrainerCore", "TestKit"], swiftSettings: strict),
    .testTarget(name: "NetKitTests", dependencies: ["NetKit", "TestKit"], swiftSettings: strict),
    .testTarget(name: "StagesTests", dependencies: ["Stages", "TestKit"], swiftSettings: strict),
    .testTarget(
      name: "CLITests", dependencies: ["PipelineKit", "TestKit", "TrainerCore", "pipeline-cli"],
      exclude: ["Snapshots"], swiftSettings: strict),
    .testTarget(
      name: "CrashTests", dependencies: ["PipelineKit", "ShardKit", "Stages", "TestKit", "pipeline-cli"],
      swiftSettings: strict),
    .testTarget(
      name: "SlurmTests", dependencies: ["PipelineKit", "ShardKit", "TestKit", "pipeline-cli"], swiftSettings: strict),
    .testTarget(name: "ArchitectureTests", dependencies: ["Stages", "ShardKit", "TestKit"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)

package.targets.append(
  isFuzzing
    ? .executableTarget(
      name: "fuzz", dependencies: fuzzed, path: "Tests/Fuzz", exclude: notFuzzed + ["FuzzTests.swift"],
      swiftSettings: strict)
    : .testTarget(
      name: "FuzzTests", dependencies: fuzzed, path: "Tests/Fuzz", exclude: notFuzzed + ["Fuzz.swift"],
      swiftSettings: strict))
