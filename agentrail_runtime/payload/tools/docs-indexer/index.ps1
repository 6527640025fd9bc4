# Managed by AgentRail. Do not edit: an install replaces it.
[CmdletBinding()]
param(
    [ValidateSet('check', 'apply')] [string] $Mode,
    [ValidateSet('text', 'json', 'github', 'sarif')] [string] $OutputFormat
)

# The exit code decides, whatever the caller has set for errors.
$ErrorActionPreference = 'Continue'
$PSNativeCommandUseErrorActionPreference = $false
$words = @('-m', 'agentrail_runtime', 'docs-indexer')
if ($Mode) { $words += "--mode=$($Mode.ToLowerInvariant())" }
if ($OutputFormat) { $words += "--format=$($OutputFormat.ToLowerInvariant())" }
$words += '--', (Split-Path (Split-Path $PSScriptRoot))

$python = Get-Command @('python', 'python3') -CommandType Application -ErrorAction SilentlyContinue |
    Select-Object -First 1
if ($python) {
    # Windows PowerShell 5.1 escapes no double quote and no closing backslash; cmd evaluates more.
    $unsafe = '"'
    if ($python.Path -match '\.(bat|cmd)$') { $unsafe = '["&|<>^%\r\n]' }
    if ($words -match $unsafe) {
        [Console]::Error.WriteLine("tools/docs-indexer/index.ps1: not safe to hand on: $($words -match $unsafe)")
        [Console]::Error.WriteLine('hint: run agentrail docs-indexer itself')
        exit 2
    }
    $words = $words -replace '\\$', '\.'
    try {
        & $python -c 'import agentrail_runtime' 2>$null
        if ($LASTEXITCODE -eq 0) {
            & $python @words
            exit $LASTEXITCODE
        }
    } catch {
        Write-Verbose "$($python.Path): $_"
    }
}
[Console]::Error.WriteLine('tools/docs-indexer/index.ps1: no python that has the package agentrail-runtime')
[Console]::Error.WriteLine('hint: python -m pip install agentrail-runtime')
exit 1
