# Managed by AgentRail. Do not edit: an install replaces it.
[CmdletBinding()]
param(
    [string] $TaskId,
    [string] $BaseSha,
    [string] $HeadSha,
    [ValidateSet('text', 'json')] [string] $OutputFormat
)

# The exit code decides, whatever the caller has set for errors.
$ErrorActionPreference = 'Continue'
$PSNativeCommandUseErrorActionPreference = $false
$words = @('-m', 'agentrail_runtime', 'resolve-task-id')
if ($TaskId) { $words += "--task-id=$TaskId" }
if ($BaseSha) { $words += "--base=$BaseSha" }
if ($HeadSha) { $words += "--head=$HeadSha" }
if ($OutputFormat) { $words += "--format=$($OutputFormat.ToLowerInvariant())" }
$words += '--', (Split-Path (Split-Path $PSScriptRoot))

$python = Get-Command @('python', 'python3') -CommandType Application -ErrorAction SilentlyContinue |
    Select-Object -First 1
if ($python) {
    # Windows PowerShell 5.1 escapes no double quote and no closing backslash; cmd evaluates more.
    $unsafe = '"'
    if ($python.Path -match '\.(bat|cmd)$') { $unsafe = '["&|<>^%\r\n]' }
    if ($words -match $unsafe) {
        [Console]::Error.WriteLine("tools/ci/resolve-task-id.ps1: not safe to hand on: $($words -match $unsafe)")
        [Console]::Error.WriteLine('hint: run agentrail resolve-task-id itself')
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
[Console]::Error.WriteLine('tools/ci/resolve-task-id.ps1: no python that has the package agentrail-runtime')
[Console]::Error.WriteLine('hint: python -m pip install agentrail-runtime')
exit 1
