//! `fn_dashboard_html_v1()`: the page "Webhook Operations", one self-contained HTML document.
