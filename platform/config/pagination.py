from rest_framework.pagination import CursorPagination


class KeyPagination(CursorPagination):
    """Newest first by key; `next` is an address, or null at the end."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 200
